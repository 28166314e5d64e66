//! `lifeboat completions` and `lifeboat man`: made from the command line itself.

use std::path::Path;

use lifeboat::ExitCode;

use crate::args::{CompletionsArgs, ManArgs};
use crate::failure::{Failure, Result};
use crate::output::Output;

pub(super) fn completions(args: &CompletionsArgs, output: Output) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::command(), "lifeboat", &mut script);
    output.print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::Ok)
}

pub(super) fn man(args: &ManArgs, output: Output) -> Result<ExitCode> {
    let command = crate::command();
    if let Some(folder) = &args.dir {
        clap_mangen::generate_to(command, folder).map_err(|error| cannot_write(folder, &error))?;
    } else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        output.print(&String::from_utf8_lossy(&page))?;
    }
    Ok(ExitCode::Ok)
}

fn cannot_write(folder: &Path, error: &std::io::Error) -> Failure {
    Failure {
        code: ExitCode::Failed,
        message: format!("cannot write man pages into {}: {error}", folder.display()),
        hint: Some("the folder must exist, and you must be allowed to write there".to_owned()),
    }
}
