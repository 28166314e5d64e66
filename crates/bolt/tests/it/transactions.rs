//! Explicit transactions and bookmarks.

use std::time::Duration;

use lifeboat_bolt::{Access, Bookmark, BookmarkTx, Connection, Error, Params, RunOptions, Value};
use lifeboat_testkit::Line;
use tokio::time::timeout;

use crate::support::{Result, alone, assert_usable, connect, in_company, single};

const NONE: Params = Params::None;

async fn count(connection: &mut Connection, label: &str) -> Result<i64> {
    let found = single(connection, &format!("MATCH (n:`{label}`) RETURN count(n)")).await?;
    Ok(found.as_int().expect("a number"))
}

#[tokio::test]
async fn what_is_committed_stays_and_what_is_rolled_back_does_not() -> Result<()> {
    let _company = in_company().await;
    for line in Line::ALL {
        let (mut connection, mut other) = (connect(line).await?, connect(line).await?);
        let options = RunOptions::default();
        connection.begin(&options).await?;
        for _ in 0..3 {
            let summary = connection.execute("CREATE (:Committed)", NONE, &options).await?;
            assert_eq!((summary.counters.nodes_created, summary.bookmark), (1, None));
        }
        assert_eq!(count(&mut connection, "Committed").await?, 3);
        assert_eq!(count(&mut other, "Committed").await?, 0);
        let bookmark = connection.commit().await?.expect("a bookmark");
        let after = RunOptions { bookmarks: vec![bookmark.to_string()], ..options.clone() };
        let mut records = other.run("MATCH (n:Committed) RETURN count(n)", NONE, &after).await?;
        assert_eq!(records.next().await?, Some(vec![Value::Int(3)]));
        records.finish().await?;

        connection.begin(&options).await?;
        connection.execute("MATCH (n:Committed) DELETE n", NONE, &options).await?;
        connection.rollback().await?;
        assert_eq!(count(&mut connection, "Committed").await?, 3);
        connection.execute("MATCH (n:Committed) DELETE n", NONE, &options).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_transaction_that_is_gone_is_not_silently_left() -> Result<()> {
    let _company = in_company().await;
    for line in Line::ALL {
        let mut connection = connect(line).await?;
        let options = RunOptions::default();

        // A query fails.
        connection.begin(&options).await?;
        connection.execute("CREATE (:Gone)", NONE, &options).await?;
        assert!(connection.execute("NONSENSE", NONE, &options).await.is_err());
        let error = connection.execute("CREATE (:Gone)", NONE, &options).await.unwrap_err();
        assert!(matches!(error, Error::TransactionAborted { .. }), "{error}");
        assert!(error.to_string().contains("because a query of it failed"), "{error}");
        let error = connection.commit().await.unwrap_err();
        assert!(matches!(error, Error::TransactionAborted { .. }), "{error}");
        assert_usable(&mut connection).await;

        // A result is dropped.
        connection.begin(&options).await?;
        drop(
            connection
                .run("UNWIND range(1, 9) AS i CREATE (n:Gone) RETURN n", NONE, &options)
                .await?,
        );
        let error = connection.execute("CREATE (:Gone)", NONE, &options).await.unwrap_err();
        assert!(error.to_string().contains("dropped before its end"), "{error}");
        connection.rollback().await?;

        // A call is dropped.
        connection.begin(&options).await?;
        connection.execute("CREATE (:Gone)", NONE, &options).await?;
        let endless = "UNWIND range(1, 100000000000) AS i RETURN sum(i)";
        let run = connection.execute(endless, NONE, &options);
        assert!(timeout(Duration::from_millis(100), run).await.is_err());
        assert!(matches!(connection.commit().await, Err(Error::TransactionAborted { .. })));

        // All that is asked for is to begin again.
        connection.begin(&options).await?;
        assert!(connection.execute("NONSENSE", NONE, &options).await.is_err());
        connection.begin(&options).await?;
        connection.rollback().await?;

        // Beginning is dropped: there is no transaction.
        let begin = connection.begin(&options);
        if timeout(Duration::ZERO, begin).await.is_ok() {
            connection.rollback().await?;
        }
        connection.execute("CREATE (:Reset)", NONE, &options).await?;
        connection.begin(&options).await?;
        connection.execute("MATCH (n:Reset) DELETE n", NONE, &options).await?;
        connection.reset().await?;
        assert_eq!(count(&mut connection, "Reset").await?, 1);
        connection.execute("MATCH (n:Reset) DELETE n", NONE, &options).await?;
        assert_eq!(count(&mut connection, "Gone").await?, 0);
    }
    Ok(())
}

#[tokio::test]
async fn calls_that_do_not_fit_are_refused_here() -> Result<()> {
    let _company = in_company().await;
    let mut connection = connect(Line::Lts).await?;
    let options = RunOptions::default();
    for error in [connection.commit().await.unwrap_err(), connection.rollback().await.unwrap_err()]
    {
        assert!(error.to_string().contains("no transaction is open"), "{error}");
    }
    connection.begin(&options).await?;
    let error = connection.begin(&options).await.unwrap_err();
    assert!(error.to_string().contains("commit or roll it back"), "{error}");
    // It was no harm.
    assert_usable(&mut connection).await;
    connection.commit().await?;
    Ok(())
}

#[tokio::test]
async fn options_reach_the_server() -> Result<()> {
    let _company = in_company().await;
    for line in Line::ALL {
        let mut connection = connect(line).await?;
        let read = RunOptions { access: Access::Read, ..RunOptions::default() };
        let error = connection.execute("CREATE (:Never)", NONE, &read).await.unwrap_err();
        assert_eq!(error.code(), Some("Neo.ClientError.Statement.AccessMode"), "{error}");

        let nowhere = RunOptions { database: Some("nowhere".into()), ..RunOptions::default() };
        let error = connection.begin(&nowhere).await.unwrap_err();
        assert_eq!(error.code(), Some("Neo.ClientError.Database.DatabaseNotFound"), "{error}");
        assert!(error.to_string().contains("SHOW DATABASES"), "{error}");

        let system = RunOptions { database: Some("system".into()), ..RunOptions::default() };
        let mut records = connection.run("SHOW DATABASES YIELD name", NONE, &system).await?;
        assert!(records.next().await?.is_some());
        records.finish().await?;

        let hasty =
            RunOptions { tx_timeout: Some(Duration::from_millis(50)), ..RunOptions::default() };
        let endless = "UNWIND range(1, 100000000000) AS i RETURN sum(i)";
        let error = connection.execute(endless, NONE, &hasty).await.unwrap_err();
        assert!(error.code().is_some_and(|code| code.contains("Transaction")), "{error}");

        let future = RunOptions { bookmarks: vec!["FB:nonsense".into()], ..RunOptions::default() };
        let error = connection.execute("RETURN 1", NONE, &future).await.unwrap_err();
        assert_eq!(error.code(), Some("Neo.ClientError.Transaction.InvalidBookmark"), "{error}");
        assert_usable(&mut connection).await;
    }
    Ok(())
}

#[tokio::test]
async fn bookmarks_count_commits() -> Result<()> {
    let _alone = alone().await;
    for line in Line::ALL {
        let mut connection = connect(line).await?;
        let options = RunOptions::default();
        let decoded = |bookmark: Option<Bookmark>| -> BookmarkTx {
            bookmark.and_then(|bookmark| bookmark.decoded()).expect("a bookmark of the known form")
        };
        // The label's name is a commit of its own.
        connection.execute("CREATE (:Counted)", NONE, &options).await?;
        let id = single(&mut connection, "CALL db.info() YIELD id RETURN id").await?;
        let first = decoded(connection.execute("RETURN 1", NONE, &options).await?.bookmark);
        for commits in 1..=5 {
            let bookmark = if commits % 2 == 0 {
                connection.begin(&options).await?;
                connection.execute("CREATE (:Counted)", NONE, &options).await?;
                connection.execute("CREATE (:Counted)", NONE, &options).await?;
                connection.commit().await?
            } else {
                connection.execute("CREATE (:Counted)", NONE, &options).await?.bookmark
            };
            let written = decoded(bookmark);
            assert_eq!(written.database, first.database);
            assert_eq!(written.tx_id, first.tx_id + commits);
            // Reading, rolling back and failing commit nothing.
            connection.begin(&options).await?;
            connection.execute("CREATE (:Counted)", NONE, &options).await?;
            connection.rollback().await?;
            assert!(connection.execute("NONSENSE", NONE, &options).await.is_err());
            let mut other = connect(line).await?;
            let read = decoded(other.execute("RETURN 1", NONE, &options).await?.bookmark);
            assert_eq!(read, written);
        }
        connection.execute("MATCH (n:Counted) DELETE n", NONE, &options).await?;
        assert!(id.as_str().is_some(), "{id:?}");
    }
    Ok(())
}
