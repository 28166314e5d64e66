//! That a person agrees to a step, from any machine: an object beside the run's records, which the
//! process that carries the run on finds.

use crate::journal::Journals;

/// Who has agreed to a step, if somebody has.
pub(crate) async fn look(journals: &Journals, run: &str, step: &str) -> Option<String> {
    journals.beside(run, &format!("approvals/{step}")).await
}
