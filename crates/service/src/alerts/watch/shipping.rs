//! How far the logs of a server are shipped.

use std::path::Path;

use jiff::Timestamp;
use lifeboat::status::status;
use lifeboat::vault::Vault;

use super::Shipping;

/// Looks at vault and logs; nothing when one of them cannot be read, which others tell of.
pub(super) async fn look(
    vault: &Vault,
    home: &Path,
    before: Option<&Shipping>,
    now: Timestamp,
) -> Option<Shipping> {
    let report = match status(vault, Some(home)).await {
        Ok(report) => report,
        Err(error) => {
            tracing::debug!(%error, "what is shipped cannot be told");
            return None;
        }
    };
    let exposure = report.exposure();
    let since = before.and_then(|before| before.unprotected).unwrap_or(now);
    let gaps = report.windows.iter().filter_map(|window| {
        let gap = window.gap.as_ref()?;
        let missing = format!("segments {} to {} of {}", gap.from, gap.to, window.timeline);
        Some((window.database.clone(), missing))
    });
    let unprotected = exposure.is_none().then_some(since);
    Some(Shipping { exposure, unprotected, gaps: gaps.collect() })
}
