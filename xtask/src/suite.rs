//! The tests themselves, and a second look at the few that fail.
//!
//! The suite keeps two processors busy with servers, mail and name servers for most of an hour. A
//! test that fails in it may have found a fault, or a moment in which the machine was too slow or
//! somebody else had taken a port. Whether it is the one or the other, a second run of that test
//! alone tells; it counts as passed then, and is named at the end, so that nobody overlooks it.

use std::process::Command;

use crate::{
    run::{cargo, lines},
    tally::Tally,
    test::build,
};

/// With more failures than these the machine is not to blame.
const FEW: usize = 3;

/// Runs the tests of the packages that the arguments select; how many there were, and what has to
/// be said of them.
pub(crate) fn tests(arguments: &[String]) -> (Tally, String) {
    let first = Run::of(build(test(arguments)));
    let mut tally = first.tally;
    if first.is_broken {
        tally.failed += 1;
        return (tally, " — cargo test itself failed".to_owned());
    }
    let failed = first.failed;
    if failed.is_empty() || failed.len() > FEW || failed.len() as u64 != tally.failed {
        return (tally, String::new());
    }
    println!("\nonce more, alone: {}", failed.join(", "));
    let mut command = build(test(arguments));
    if !arguments.iter().any(|argument| argument == "--") {
        command.arg("--");
    }
    command.args(["--exact", "--test-threads=1"]).args(&failed);
    let second = Run::of(command);
    let passed = failed.len() as u64;
    if second.is_broken || second.tally.failed > 0 || second.tally.passed < passed {
        return (tally, String::new());
    }
    tally.failed -= passed;
    tally.passed += passed;
    (tally, format!(" — passed only alone, the second time: {}", failed.join(", ")))
}

fn test(arguments: &[String]) -> Command {
    let mut command = cargo(["test", "--locked", "--no-fail-fast"]);
    if arguments.is_empty() {
        command.arg("--workspace");
    }
    command.args(arguments);
    command
}

/// What a run of test programs told.
#[derive(Debug, Default)]
struct Run {
    tally: Tally,
    /// The names of the tests that failed.
    failed: Vec<String>,
    /// It failed, but no test did: a test program crashed or does not compile, and has no closing
    /// line.
    is_broken: bool,
}

impl Run {
    fn of(mut command: Command) -> Self {
        let mut run = Self::default();
        let result = lines(&mut command, |line| {
            println!("{line}");
            run.read(line);
        });
        run.is_broken = match result {
            Ok(success) => !success && run.tally.failed == 0,
            Err(error) => {
                println!("{error:#}");
                true
            }
        };
        run
    }

    fn read(&mut self, line: &str) {
        self.tally += Tally::of_line(line).unwrap_or_default();
        let name = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"));
        self.failed.extend(name.map(str::to_owned));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_known_by_name() {
        let mut run = Run::default();
        for line in [
            "test a::b ... ok",
            "test a::c ... FAILED",
            "test src/lib.rs - (line 14) ... FAILED",
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
        ] {
            run.read(line);
        }
        assert_eq!(run.failed, ["a::c", "src/lib.rs - (line 14)"]);
        assert_eq!(run.tally, Tally { passed: 1, failed: 2, skipped: 0 });
    }
}
