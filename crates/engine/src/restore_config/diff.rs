//! The difference between a file and the one in the backup, as `diff -u` shows it.

use lifeboat_archive::EntryKind;
use similar::TextDiff;

use super::plan::{Change, ConfigPlan};
use super::tree::read_up_to;
use crate::Result;
use crate::archive::Archive;

/// Files of more bytes are not compared line by line.
const MAX_TEXT: u64 = 256 << 10;

/// Adds the difference to every text that changes and is not secret.
pub(super) async fn add(mut plan: ConfigPlan, archive: &Archive) -> Result<ConfigPlan> {
    for one in &mut plan.entries {
        let text = one.kind == EntryKind::File && one.size <= MAX_TEXT && !one.secret;
        if !text || !matches!(one.change, Change::Changed { .. }) {
            continue;
        }
        let Some(old) = current(&one.target) else { continue };
        let new = archive.entry(one.index).await?;
        let Ok(new) = String::from_utf8(new) else { continue };
        if new.contains('\0') {
            continue;
        }
        let name = one.target.display().to_string();
        let diff = TextDiff::from_lines(&old, &new);
        let text = diff.unified_diff().header(&name, &format!("{name} (backup)")).to_string();
        one.change = Change::Changed { diff: Some(text) };
    }
    Ok(plan)
}

/// The text that is there, when it is one.
fn current(path: &std::path::Path) -> Option<String> {
    let metadata = std::fs::symlink_metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > MAX_TEXT {
        return None;
    }
    let bytes = read_up_to(&std::fs::File::open(path).ok()?, MAX_TEXT).ok()??;
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}
