//! What the importer could not do, over Bolt in a private server: the remaining properties and
//! relationships, and the schema.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::sync::Arc;

use lifeboat_bolt::{Access, Config, Connection, Params, RunOptions};

use super::stage::{Remainder, Stage};
use crate::database::Database;
use crate::error::{Error, Result};
use crate::logical::{Batch, Batcher, Nodes, create_schema};
use crate::progress::{Phase, Progress};
use crate::schema::Schema;

/// Lines that are read at a time, in bytes.
const CHUNK: usize = 4 << 20;

pub(super) async fn finish(
    config: &Config,
    database: &str,
    stage: &Stage,
    schema: &Schema,
    progress: &Arc<Progress>,
) -> Result<()> {
    let mut connection = Connection::connect(config).await?;
    let run = RunOptions {
        database: Some(database.to_owned()),
        access: Access::Write,
        ..RunOptions::default()
    };
    let mut batcher = Batcher::new(Database::dialect(connection.server()), Nodes::Amend);
    for (remainder, nodes) in [(&stage.nodes, true), (&stage.relationships, false)] {
        let mut lines = Lines::open(remainder)?;
        loop {
            let chunk = lines.next()?;
            let mut batches = Vec::new();
            let mut full = |batch| {
                batches.push(batch);
                Ok(())
            };
            if chunk.is_empty() {
                batcher.flush(&mut full)?;
            } else if nodes {
                batcher.nodes("remaining nodes", &chunk, &mut full)?;
            } else {
                // Nodes have the ids of the payload.
                let same = |id| Ok(Some(id));
                batcher.relationships("remaining relationships", &chunk, same, &mut full)?;
            }
            for batch in batches {
                write(&mut connection, &run, &batch).await?;
            }
            if chunk.is_empty() {
                break;
            }
        }
    }
    progress.enter(Phase::Schema);
    create_schema(&mut connection, &run, schema).await?;
    connection.close().await;
    Ok(())
}

async fn write(connection: &mut Connection, run: &RunOptions, batch: &Batch) -> Result<()> {
    let params = Params::Raw(batch.params.clone());
    connection.run(&batch.statement, params, run).await?.finish().await?;
    Ok(())
}

/// Whole lines of a file, some at a time.
struct Lines {
    file: BufReader<File>,
}

impl Lines {
    fn open(remainder: &Remainder) -> Result<Self> {
        let file = File::open(&remainder.path).map_err(Error::Staging)?;
        Ok(Self { file: BufReader::with_capacity(1 << 20, file) })
    }

    /// The next lines; empty at the end.
    fn next(&mut self) -> Result<Vec<u8>> {
        let mut chunk = Vec::new();
        while chunk.len() < CHUNK {
            if self.file.read_until(b'\n', &mut chunk).map_err(Error::Staging)? == 0 {
                break;
            }
        }
        Ok(chunk)
    }
}
