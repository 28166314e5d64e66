//! Reports as they are kept: signed, checked, and refused when somebody has changed them.

use std::path::{Path, PathBuf};

use crate::support::{Ran, lifeboat};

/// A folder with a runbook that needs nothing, and what the settings say about signatures.
fn command(folder: &Path, args: &[&str], signing: &str) -> tokio::process::Command {
    for name in ["vault", "books"] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
    }
    let settings = format!(
        "[vault.primary]\nurl = \"vault\"\n[runbooks]\nfolder = \"books\"\nstate = \"runs\"\n\
         [signing]\n{signing}"
    );
    std::fs::write(folder.join("lifeboat.toml"), settings).unwrap();
    let text = "title = \"Nothing\"\n[[step]]\nid = \"one\"\nkind = \"command\"\n\
                command = [\"true\"]\n";
    std::fs::write(folder.join("books/nothing.toml"), text).unwrap();
    let mut command = lifeboat(args);
    command.current_dir(folder);
    command
}

/// Rehearses it; the run.
async fn drill(folder: &Path, signing: &str) -> String {
    let ran = Ran::of(command(folder, &["drill", "run", "nothing", "--json"], signing)).await;
    ran.code(0).summary()["run"].as_str().unwrap().to_owned()
}

/// Whether minisign itself believes a file.
async fn minisign(file: &Path, public: &str) -> bool {
    let mut check = tokio::process::Command::new("minisign");
    check.arg("-Vqm").arg(file).args(["-P", public]);
    check.output().await.unwrap().status.success()
}

fn flip(file: &PathBuf) {
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn a_kept_report_is_signed_and_one_that_was_changed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let generate = ["key", "generate", "signing", "--out", "key"];
    let public = Ran::of(command(folder, &generate, "")).await.code(0).stdout.trim().to_owned();
    let secret = "secret_key_file = \"key\"\n";
    let signing = format!("{secret}public_keys = [\"{public}\"]\n");
    let run = drill(folder, &signing).await;
    let report =
        |run: &str, signing: &str| Ran::of(command(folder, &["drill", "report", run], signing));
    let good = report(&run, &signing).await.code(0);
    assert!(good.stdout.contains("# Drill: Nothing") && good.stderr.is_empty(), "{good:?}");

    // In the vault, and on this machine.
    for place in ["vault", "runs"] {
        for form in ["report.json", "report.md", "report.html"] {
            let file = folder.join(place).join("runbooks").join(&run).join(form);
            assert!(minisign(&file, &public).await, "{}", file.display());
            let signature = file.with_added_extension("minisig");
            for changed in [&file, &signature] {
                let before = std::fs::read(changed).unwrap();
                flip(changed);
                assert!(!minisign(&file, &public).await, "{}", changed.display());
                let refused = report(&run, &signing).await.code(1);
                assert_eq!(refused.stdout, "");
                refused
                    .says(&format!("{form} of the run {run} in"))
                    .says(&format!("{place} is not to be trusted"))
                    .says("compare it with the one in the other vault");
                std::fs::write(changed, before).unwrap();
            }
        }
    }
    report(&run, &signing).await.code(0);

    // Somebody else's signature is none, and nobody's is not checked.
    let other = ["key", "generate", "signing", "--out", "other"];
    let other = Ran::of(command(folder, &other, "")).await.code(0).stdout.trim().to_owned();
    let stranger = report(&run, &format!("public_keys = [\"{other}\"]\n")).await.code(1);
    stranger.says("none of those that are trusted");
    report(&run, secret).await.code(0).says("signing.public_keys");

    // Without a key nothing is signed, and that is told.
    let unsigned = drill(folder, "").await;
    let kept = folder.join("vault/runbooks").join(&unsigned);
    assert!(kept.join("report.md").exists() && !kept.join("report.md.minisig").exists());
    for signing in ["", &signing] {
        let told = report(&unsigned, signing).await.code(0).says("is not signed");
        assert!(told.stdout.contains("# Drill: Nothing"), "{told:?}");
    }
}
