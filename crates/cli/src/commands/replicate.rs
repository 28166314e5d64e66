//! `lifeboat replicate`.

use jiff::Timestamp;
use lifeboat::ExitCode;
use lifeboat::replicate::{ReplicateOptions, Replicated, replicate};

use super::Session;
use crate::args::{ReplicateArgs, VaultArgs};
use crate::failure::{Failure, Result};
use crate::progress::beside_bar;
use crate::signals::Work;
use crate::view::replicate::{Line, Summary, line_text, text};

pub(super) async fn run(session: &Session, args: ReplicateArgs) -> Result<ExitCode> {
    let settings = &session.settings;
    let both = settings.optional_vaults(&VaultArgs { vault: None })?;
    let chosen = |vault| Ok::<_, Failure>(settings.vaults(&VaultArgs { vault })?.active().clone());
    let from = match args.from {
        None => both.as_ref().map(|vaults| vaults.active().clone()),
        from => Some(chosen(from)?),
    };
    let to = match args.to {
        None => both.as_ref().and_then(|vaults| vaults.other().cloned()),
        to => Some(chosen(to)?),
    };
    let (Some(from), Some(to)) = (from, to) else {
        return Err(Failure::usage(
            "there are no two vaults to copy between",
            "write [vault.primary] and [vault.secondary] into lifeboat.toml, or give --from and --to",
        ));
    };
    if from.section.url == to.section.url && from.section.endpoint == to.section.endpoint {
        return Err(Failure::usage(
            format_args!("{} cannot be copied to itself", from.section.url),
            "give another vault with --to",
        ));
    }
    let options = ReplicateOptions { from: from.open()?, to: to.open()?, dry_run: args.dry_run };
    let running = session.begin(Work::Replicate)?;
    let display = running.show();
    let output = session.output;
    let told = |one: &Replicated| {
        // A reader that has gone away is noticed at the end.
        let _ = output.message(&Line::new(one, args.dry_run));
        beside_bar(|| {
            let _ = output.report(&line_text(one, args.dry_run, output.colour));
        });
    };
    let result = replicate(&options, &running.progress, &told, &running.cancel).await;
    drop(display);
    let report = result.map_err(|error| running.explain(error))?;
    let (from, to) = (options.from.databases().to_string(), options.to.databases().to_string());
    let now = Timestamp::now();
    output.message(&Summary::new(&report, &from, &to, args.dry_run, now))?;
    output.report(&text(&report, &to, args.dry_run, now))?;
    Ok(if report.is_incomplete() { ExitCode::Incomplete } else { ExitCode::Ok })
}
