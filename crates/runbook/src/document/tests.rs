//! Bad runbooks are refused, with line and reason.

use super::*;

const HEAD: &str =
    "title = \"T\"\n[inputs.environment]\nkind = \"environment\"\ndefault = \"primary\"\n";

fn faults(steps: &str) -> Vec<(usize, String)> {
    let error = Runbook::parse("x", "x.toml", &format!("{HEAD}{steps}")).unwrap_err();
    assert!(error.to_string().starts_with("x.toml:"), "{error}");
    error.faults.into_iter().map(|fault| (fault.line, fault.reason)).collect()
}

#[track_caller]
fn refused(steps: &str, line: usize, reason: &str) {
    let found = faults(steps);
    assert!(
        found.iter().any(|(at, why)| *at == line && why.contains(reason)),
        "{steps}\nfound: {found:?}"
    );
}

#[test]
fn a_step_follows_the_one_before_unless_it_says_otherwise() {
    let text = format!(
        "{HEAD}\n[[step]]\nid = \"a\"\nkind = \"wait\"\nfor = \"1s\"\n[[step]]\nid = \"b\"\nkind = \"ask\"\n\
         approval = \"really?\"\n[[step]]\nid = \"c\"\nkind = \"ask\"\nneeds = [\"a\"]\n"
    );
    let runbook = Runbook::parse("x", "x.toml", &text).unwrap();
    let needs: Vec<_> = runbook.steps.iter().map(|step| step.needs.join(" ")).collect();
    assert_eq!(needs, ["", "a", "a"]);
    assert_eq!(runbook.steps[1].approval.as_deref(), Some("really?"));
}

#[test]
fn what_does_not_fit_is_refused_by_line() {
    refused("", 1, "a runbook has steps");
    refused("[[step]]\nkind = \"ask\"\n", 5, "id");
    refused("[[step]]\nid = \"a\"\n", 5, "has no kind");
    refused("[[step]]\nid = \"a\"\nkind = \"magic\"\n", 7, "no kind of step");
    refused("[[step]]\nid = \"A b\"\nkind = \"ask\"\n", 6, "cannot name a step");
    refused("[[step]]\nid = \"a\"\nkind = \"ask\"\nspeed = 3\n", 8, "unknown field");
    refused("[[step]]\nid = \"a\"\nkind = \"wait\"\n", 5, "for");
    refused("[[step]]\nid = \"a\"\nkind = \"wait\"\nfor = 3\n", 8, "string");
    refused("[[step]]\nid = \"a\"\nkind = \"wait\"\nfor = \"soon\"\n", 8, "should be");
    refused("[[step]]\nid = \"a\"\nkind = \"wait\"\nfor = \"{inputs.time}\"\n", 8, "no input time");
    refused(
        "[[step]]\nid = \"a\"\nkind = \"wait\"\nfor = \"{inputs.environment}\"\n",
        8,
        "of the kind environment, and duration is wanted",
    );
    refused("[[step]]\nid = \"a\"\nkind = \"ask\"\nretry = { attempts = 0 }\n", 5, "tried 0 times");
    refused("[[step]]\nid = \"a\"\nkind = \"ask\"\non_error = \"panic\"\n", 8, "unknown variant");
    let restore = "[[step]]\nid = \"a\"\nkind = \"restore-database\"\nbackup = \"b\"\n\
                   environment = \"{inputs.environment}\"\nexactly = true\n";
    refused(&format!("{restore}until = \"\"\n"), 5, "leave one of them out");
    Runbook::parse("x", "x.toml", &format!("{HEAD}{restore}")).unwrap();
}

#[test]
fn steps_that_do_not_fit_together_are_refused_by_line() {
    let ask = |id: &str, needs: &str| {
        format!("[[step]]\nid = \"{id}\"\nkind = \"ask\"\nneeds = [{needs}]\n")
    };
    refused(&format!("{}{}", ask("a", ""), ask("a", "")), 10, "two steps a");
    refused(&ask("a", "\"b\""), 8, "there is no such step");
    refused(&ask("a", "\"a\""), 6, "in a circle: a needs a");
    let three = [ask("a", "\"c\""), ask("b", "\"a\""), ask("c", "\"b\"")].concat();
    let found = faults(&three);
    assert!(found[0].1.contains("in a circle"), "{found:?}");
    let say = |needs: &str, of: &str| {
        format!(
            "[[step]]\nid = \"a\"\nkind = \"command\"\ncommand = [\"true\"]\n{}[[step]]\nid = \"z\"\n\
             kind = \"notify\"\nmessage = \"{of}\"\nneeds = [{needs}]\n",
            ask("b", "")
        )
    };
    refused(&say("\"b\"", "{steps.a.output}"), 16, "does not come before it");
    refused(&say("\"a\"", "{steps.a.nothing}"), 16, "puts out no nothing, but output");
    refused(&say("\"b\"", "{steps.b.x}"), 16, "puts out nothing");
    refused(&say("\"b\"", "{steps.q.x}"), 16, "no step q");
}

#[test]
fn everything_wrong_is_told_at_once() {
    let found = faults(
        "[[step]]\nid = \"a\"\nkind = \"magic\"\n[[step]]\nid = \"b\"\nkind = \"wait\"\nfor = 1\n",
    );
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn toml_that_is_none_is_told_by_line() {
    let error = Runbook::parse("x", "x.toml", "title = \"T\"\n[[step]\n").unwrap_err();
    assert_eq!(error.faults[0].line, 2, "{error}");
}
