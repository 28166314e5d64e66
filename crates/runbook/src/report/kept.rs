//! The report of a run as it was kept: what it said at the end of the run, whatever the settings say
//! today, unless somebody has changed it since.

use super::{NAMES, Report, issues_of};
use crate::error::{Error, Result};
use crate::world::World;

/// What the signatures of a kept report tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// No report is kept: a drill keeps one at its end.
    Nothing,
    /// It is not signed.
    Unsigned,
    /// It is signed, and the settings name nobody whose signature is believed.
    Unchecked,
    /// It is as somebody has signed it whose signature is believed.
    Signed,
}

impl Report {
    /// The report of a run that was kept, with what has become of its issues; else as
    /// [`of`](Self::of) has it.
    ///
    /// # Errors
    /// When there is no such run, or a kept form of the report is not what was signed, wherever it
    /// lies.
    pub async fn kept(world: &World, run: &str) -> Result<(Self, Kept)> {
        let (kept, found) = look(world, run).await?;
        let report = match found.and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok()) {
            Some(report) => Self { issues: issues_of(world, run).await?, ..report },
            None => Self::of(world, run).await?,
        };
        Ok((report, kept))
    }
}

/// Checks all that is kept, and finds the form for programs.
async fn look(world: &World, run: &str) -> Result<(Kept, Option<bytes::Bytes>)> {
    let journals = world.journals()?;
    let region = world.regions().into_iter().flatten().next();
    let keys = region.as_ref().map(|region| region.databases().keys());
    let (mut worst, mut json) = (Kept::Signed, None);
    for name in NAMES {
        let signatures = journals.beside_everywhere(run, &format!("{name}.minisig")).await;
        for (place, bytes) in journals.beside_everywhere(run, name).await {
            let signature = signatures.iter().find(|(at, _)| *at == place);
            let kept = match (signature, keys) {
                (None, _) => Kept::Unsigned,
                (Some((_, signature)), Some(keys)) if keys.demands_signatures() => {
                    keys.check(&bytes, Some(signature)).map_err(|problem| Error::Changed {
                        run: run.to_owned(),
                        name: name.to_owned(),
                        place: place.clone(),
                        problem,
                    })?;
                    Kept::Signed
                }
                _ => Kept::Unchecked,
            };
            worst = worst.min(kept);
            if name == NAMES[0] && json.is_none() {
                json = Some(bytes);
            }
        }
    }
    Ok((if json.is_some() { worst } else { Kept::Nothing }, json))
}
