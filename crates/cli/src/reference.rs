//! The reference of the command line, made from the command line: `docs/reference/cli.md`.

use std::fmt::Write as _;

use clap::builder::StyledStr;
use clap::{Arg, ArgAction, Command};

/// The whole text of `docs/reference/cli.md`.
pub fn reference() -> String {
    let mut root = crate::command().disable_help_subcommand(true);
    root.build();
    let mut text = String::from(
        "# Commands\n\n\
         Made from the program itself: `LIFEBOAT_UPDATE_DOCS=1 cargo test -p lifeboat-cli \
         reference` writes this file anew.\n\n",
    );
    let about = root.get_about().map(plain).unwrap_or_default();
    let _ = writeln!(text, "{about}.\n");
    for line in crate::args::EXIT_CODES.lines().skip(1) {
        let line = line.trim_start();
        if let Some((code, meaning)) = line.split_once("  ") {
            if code == "0" {
                text.push_str("| Exit code | Meaning |\n|---|---|\n");
            }
            let _ = writeln!(text, "| {code} | {} |", meaning.trim());
        }
    }
    text.push_str(
        "\nSettings come from the command line, else from the environment, else from the file.\n",
    );
    text.push_str("\n## Options of every command\n\n");
    for arg in root.get_arguments().filter(|arg| arg.is_global_set()) {
        argument(&mut text, arg);
    }
    for command in root.get_subcommands() {
        describe(&mut text, command, "lifeboat");
    }
    text
}

fn describe(text: &mut String, command: &Command, parent: &str) {
    let path = format!("{parent} {}", command.get_name());
    // Only a group of commands has nothing to say of its own.
    if command.has_subcommands() && command.get_positionals().next().is_none() {
        for child in command.get_subcommands() {
            describe(text, child, &path);
        }
        return;
    }
    let _ = writeln!(text, "\n## {path}\n");
    let about = command.get_long_about().or(command.get_about()).map(plain).unwrap_or_default();
    let about = if about.ends_with('.') { about } else { about + "." };
    // The first paragraph is a title without a full stop.
    let about = about.replacen("\n\n", ".\n\n", 1).replace("..\n", ".\n");
    let _ = writeln!(text, "{about}\n");
    let positional: String = command
        .get_positionals()
        .map(|arg| {
            let name = arg.get_value_names().and_then(|names| names.first());
            let name =
                name.map_or_else(|| arg.get_id().as_str().to_uppercase(), ToString::to_string);
            if arg.is_required_set() { format!(" <{name}>") } else { format!(" [{name}]") }
        })
        .collect();
    let _ = writeln!(text, "```\n{path} [OPTIONS]{positional}\n```\n");
    let own =
        |arg: &&Arg| !arg.is_global_set() && !["help", "version"].contains(&arg.get_id().as_str());
    for arg in command.get_arguments().filter(own) {
        argument(text, arg);
    }
    if let Some(examples) = command.get_after_help().map(plain) {
        let examples =
            examples.trim().strip_prefix("Examples:").unwrap_or(&examples).trim_matches('\n');
        let lines: Vec<_> = examples.lines().map(str::trim).collect();
        let _ = writeln!(text, "\n```bash\n{}\n```", lines.join("\n"));
    }
    for child in command.get_subcommands().filter(|child| child.get_name() != "help") {
        describe(text, child, &path);
    }
}

fn argument(text: &mut String, arg: &Arg) {
    let value = match (arg.get_value_names(), arg.get_action()) {
        (Some(names), ArgAction::Set | ArgAction::Append) => {
            let names: Vec<_> = names.iter().map(|name| format!("<{name}>")).collect();
            names.join(" ")
        }
        _ => String::new(),
    };
    let name = match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long}"),
        (Some(short), None) => format!("-{short}"),
        (None, Some(long)) => format!("--{long}"),
        (None, None) => String::new(),
    };
    let head = format!("{name} {value}");
    let help = arg.get_long_help().or(arg.get_help()).map(plain).unwrap_or_default();
    let help = help.replace("\n\n", ". ").replace('\n', " ");
    let help = help.trim_end_matches('.');
    let _ = write!(text, "- `{}`: {help}.", head.trim());
    if let Some(variable) = arg.get_env() {
        let _ = write!(text, " Environment: `{}`.", variable.to_string_lossy());
    }
    let defaults: Vec<_> =
        arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if !defaults.is_empty() && matches!(arg.get_action(), ArgAction::Set) {
        let _ = write!(text, " Default: `{}`.", defaults.join(" "));
    }
    text.push('\n');
}

fn plain(text: &StyledStr) -> String {
    text.to_string()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_reference_in_docs_is_the_program_s() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/cli.md");
        let fresh = reference();
        if std::env::var_os("LIFEBOAT_UPDATE_DOCS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &fresh).unwrap();
        }
        let stored = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            stored == fresh,
            "docs/reference/cli.md is stale: run `LIFEBOAT_UPDATE_DOCS=1 cargo test -p \
             lifeboat-cli reference`"
        );
    }

    #[test]
    fn every_command_and_option_has_words() {
        let text = reference();
        for command in [
            "backup",
            "list",
            "show",
            "verify",
            "restore",
            "restore config",
            "restore set",
            "replicate",
            "prune",
            "doctor",
            "serve",
            "jobs list",
            "jobs run",
            "config check",
            "completions",
            "man",
        ] {
            assert!(text.contains(&format!("\n## lifeboat {command}\n")), "{command}");
        }
        assert!(!text.contains(": ."), "an option has no help");
    }
}
