//! Results: large ones, dropped ones, failing ones.

use std::time::Duration;

use lifeboat_bolt::packstream::Decoder;
use lifeboat_bolt::{Params, RunOptions, Value};
use lifeboat_testkit::Line;
use tokio::time::timeout;

use crate::support::{Result, assert_usable, connect, in_company, single, x};

/// More than all buffers on the way hold.
const MANY: &str = "UNWIND range(1, 1000000) AS i RETURN i, 'some text to make it longer'";

#[tokio::test]
async fn all_records_come_in_order_by_batches_and_one_by_one() -> Result<()> {
    let _company = in_company().await;
    for line in Line::ALL {
        let mut connection = connect(line).await?;
        for fetch_size in [-1, 0, 1000, 77] {
            let options = RunOptions { fetch_size, ..RunOptions::default() };
            let query = "UNWIND range(1, 20000) AS i RETURN i";
            let mut records = connection.run(query, Params::None, &options).await?;
            let mut expected = 0;
            while expected < 10_000 {
                let record = records.next().await?.expect("more records");
                expected += 1;
                assert_eq!(record, [Value::Int(expected)]);
            }
            while let Some(batch) = records.next_batch().await? {
                assert!(!batch.is_empty() && batch.byte_len() > 0);
                assert_eq!(batch.iter().count(), batch.len());
                for record in batch.iter() {
                    let mut decoder = Decoder::new(record);
                    assert_eq!(decoder.list_header(), Ok(1));
                    expected += 1;
                    assert_eq!(decoder.int(), Ok(expected));
                    assert!(decoder.is_empty());
                }
            }
            assert_eq!(expected, 20_000);
            assert_eq!(records.next().await?, None);
            let summary = records.finish().await?;
            assert!(summary.bookmark.is_some());
            assert!(summary.metadata.iter().any(|(key, _)| key == "db"));
        }
    }
    Ok(())
}

#[tokio::test]
async fn long_records_and_parameters_pass() -> Result<()> {
    let _company = in_company().await;
    for line in Line::ALL {
        let mut connection = connect(line).await?;
        let long = "0123456789abcdef".repeat(300_000);
        let options = RunOptions::default();
        let query = "UNWIND range(1, 5) AS i RETURN i, $x";
        let mut records = connection.run(query, x(Value::String(long.clone())), &options).await?;
        for i in 1..=5 {
            let record = records.next().await?.expect("a record");
            assert_eq!(record[0], Value::Int(i));
            assert!(record[1].as_str() == Some(&long));
        }
        records.finish().await?;
        assert_usable(&mut connection).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_result_may_be_dropped_anywhere() -> Result<()> {
    let _company = in_company().await;
    for line in Line::ALL {
        let mut connection = connect(line).await?;
        for fetch_size in [-1, 1000] {
            let options = RunOptions { fetch_size, ..RunOptions::default() };
            for taken in [0, 1, 3] {
                let mut records = connection.run(MANY, Params::None, &options).await?;
                for _ in 0..taken {
                    assert!(records.next_batch().await?.is_some());
                }
                drop(records);
                assert_usable(&mut connection).await;
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn finishing_passes_over_what_is_left() -> Result<()> {
    let _company = in_company().await;
    for line in Line::ALL {
        let mut connection = connect(line).await?;
        for fetch_size in [-1, 10] {
            let options = RunOptions { fetch_size, ..RunOptions::default() };
            let query = "UNWIND range(1, 100) AS i CREATE (n:Finish {i: i}) RETURN n";
            let mut records = connection.run(query, Params::None, &options).await?;
            assert!(records.next().await?.is_some());
            let summary = records.finish().await?;
            assert_eq!(summary.counters.nodes_created, 100);
            assert_eq!(summary.counters.labels_added, 100);
            assert_eq!(summary.counters.properties_set, 100);
            let count = "MATCH (n:Finish) RETURN count(n)";
            assert_eq!(single(&mut connection, count).await?, Value::Int(100));
            let delete = "MATCH (n:Finish) DELETE n";
            let summary = connection.execute(delete, Params::None, &options).await?;
            assert_eq!(summary.counters.nodes_deleted, 100);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_dropped_write_is_rolled_back() -> Result<()> {
    let _company = in_company().await;
    for line in Line::ALL {
        let mut connection = connect(line).await?;
        let options = RunOptions { fetch_size: 10, ..RunOptions::default() };
        let query = "UNWIND range(1, 1000) AS i CREATE (n:Dropped) RETURN n";
        let mut records = connection.run(query, Params::None, &options).await?;
        assert!(records.next().await?.is_some());
        drop(records);
        let count = "MATCH (n:Dropped) RETURN count(n)";
        assert_eq!(single(&mut connection, count).await?, Value::Int(0));
    }
    Ok(())
}

#[tokio::test]
async fn a_failure_leaves_the_connection_usable() -> Result<()> {
    let _company = in_company().await;
    for line in Line::ALL {
        let mut connection = connect(line).await?;
        let options = RunOptions::default();
        for _ in 0..3 {
            let error = connection.execute("NONSENSE", Params::None, &options).await.unwrap_err();
            assert_eq!(error.code(), Some("Neo.ClientError.Statement.SyntaxError"));
            assert!(!error.is_retryable() && !error.is_disconnected());
            assert!(error.to_string().contains("NONSENSE"), "{error}");
        }
        assert_usable(&mut connection).await;

        // Midway: what came before is handed out, then the failure, and that again.
        let query = "UNWIND range(5000, 0, -1) AS i RETURN 10000 / i";
        for fetch_size in [-1, 100] {
            let options = RunOptions { fetch_size, ..RunOptions::default() };
            let mut records = connection.run(query, Params::None, &options).await?;
            let mut count = 0;
            let error = loop {
                match records.next().await {
                    Ok(Some(_)) => count += 1,
                    Ok(None) => panic!("the failure is missing"),
                    Err(error) => break error,
                }
            };
            assert_eq!(count, 5000);
            assert_eq!(error.code(), Some("Neo.ClientError.Statement.ArithmeticError"));
            assert!(records.next().await.is_err());
            assert!(records.finish().await.is_err());
            assert_usable(&mut connection).await;
        }
    }
    Ok(())
}

#[tokio::test]
async fn any_future_may_be_dropped() -> Result<()> {
    let _company = in_company().await;
    for line in Line::ALL {
        let mut connection = connect(line).await?;
        let options = RunOptions::default();
        let endless = "UNWIND range(1, 100000000000) AS i RETURN sum(i)";
        for patience in [0, 1, 50, 300] {
            let patience = Duration::from_millis(patience);
            let run = connection.execute(endless, Params::None, &options);
            assert!(timeout(patience, run).await.is_err());
            // The reset itself may be cut short as well.
            for _ in 0..3 {
                let run = connection.execute(endless, Params::None, &options);
                assert!(timeout(Duration::from_millis(1), run).await.is_err());
            }
            assert_usable(&mut connection).await;

            // Nothing is lost when one goes on with the same stream.
            let query = "UNWIND range(1, 200000) AS i RETURN i, 'some text'";
            let mut records = connection.run(query, Params::None, &options).await?;
            let mut count = 0;
            loop {
                match timeout(Duration::from_micros(1), records.next_batch()).await {
                    Ok(Ok(Some(batch))) => count += batch.len(),
                    Ok(Ok(None)) => break,
                    Ok(Err(error)) => return Err(error.into()),
                    Err(_) => {}
                }
            }
            assert_eq!(count, 200_000);
            records.finish().await?;
        }
    }
    Ok(())
}
