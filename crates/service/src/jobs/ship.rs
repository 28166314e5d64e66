//! `ship`: as `lifeboat ship` does it, for as long as this instance leads.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use lifeboat::Target;
use lifeboat::ship::{Bases, Event, PhysicalBases, ShipOptions, ship};
use lifeboat::vault::Vault;
use serde_json::json;
use tokio::sync::mpsc;

use super::details;
use crate::job::{Job, JobError, Report, RunContext};

/// The transaction logs of a server into a vault, and the bases to replay them on.
#[derive(Debug)]
pub(super) struct Ship {
    pub(super) home: PathBuf,
    pub(super) target: Option<Target>,
    pub(super) vault: Vault,
}

#[async_trait]
impl Job for Ship {
    async fn run(&self, run: &RunContext) -> Result<Report, JobError> {
        let bases = PhysicalBases {
            vault: self.vault.clone(),
            home: self.home.clone(),
            server: self.target.clone(),
            installation: None,
        };
        let options = ShipOptions {
            bases: Some(Arc::new(bases) as Arc<dyn Bases>),
            // The one of an instance that died holds its lease for a while.
            wait: true,
            ..ShipOptions::new(self.vault.clone(), &self.home)
        };
        let (sender, mut events) = mpsc::unbounded_channel();
        let mut work = std::pin::pin!(ship(options, &sender, &run.cancel));
        let report = loop {
            tokio::select! {
                biased;
                Some(event) = events.recv() => tell(&event),
                report = &mut work => break report?,
            }
        };
        Ok(Report {
            message: format!("{} transactions are in {}", report.transactions, self.vault),
            details: details(json!(report)),
            incomplete: false,
        })
    }
}

fn tell(event: &Event) {
    match event {
        Event::Trouble { message } => tracing::warn!(message, "shipping has trouble"),
        Event::Waiting { holder } => tracing::info!(holder, "another shipper is at work"),
        Event::Shipped { .. } | Event::Canary { .. } => tracing::debug!(?event, "shipped"),
        event => tracing::info!(?event, "shipping"),
    }
}
