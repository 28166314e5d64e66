//! Memory stays flat, and a slow reader holds the server back.

use std::time::Duration;

use lifeboat_bolt::{RunOptions, Value};
use lifeboat_testkit::Line;

use crate::support::{Result, alone, assert_usable, connect, x};

/// Memory of this process that is resident, in bytes.
fn resident() -> Result<usize> {
    let status = std::fs::read_to_string("/proc/self/statm")?;
    let pages: usize = status.split(' ').nth(1).unwrap_or_default().parse()?;
    Ok(pages * 4096)
}

#[tokio::test]
async fn a_million_records_take_no_memory() -> Result<()> {
    let _alone = alone().await;
    for line in Line::ALL {
        let mut connection = connect(line).await?;
        for fetch_size in [-1, 10_000] {
            let options = RunOptions { fetch_size, ..RunOptions::default() };
            let before = resident()?;
            let query = "UNWIND range(1, 1000000) AS i RETURN i, $x";
            let mut records =
                connection.run(query, x(Value::String("x".repeat(300))), &options).await?;
            let (mut count, mut bytes, mut most) = (0, 0, before);
            while let Some(batch) = records.next_batch().await? {
                assert!(batch.byte_len() <= 1 << 20, "{}", batch.byte_len());
                count += batch.len();
                bytes += batch.byte_len();
                if count % 5 == 0 {
                    most = most.max(resident()?);
                }
                if bytes == batch.byte_len() && fetch_size == -1 {
                    // Nobody reads, and the server must bear it: asked for all at once, it hangs up.
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    most = most.max(resident()?);
                }
            }
            records.finish().await?;
            assert_eq!(count, 1_000_000);
            assert!(bytes > 300_000_000);
            assert!(most - before < 32 << 20, "{} MiB more", (most - before) >> 20);
        }
        assert_usable(&mut connection).await;
    }
    Ok(())
}
