//! Every version of the protocol on every line that speaks it.

use lifeboat_bolt::{Connection, Params, RunOptions, Value};
use lifeboat_testkit::Line;

use crate::support::{Result, assert_usable, config, in_company};

const UP_TO_5_8: [(u8, u8); 9] =
    [(4, 4), (5, 0), (5, 1), (5, 2), (5, 3), (5, 4), (5, 6), (5, 7), (5, 8)];

async fn each_version(line: Line, versions: &[(u8, u8)]) -> Result<()> {
    let _company = in_company().await;
    let mut config = config(line).await?;
    for version in versions {
        config.max_version = Some(*version);
        let mut connection = Connection::connect(&config).await?;
        let server = connection.server().clone();
        assert_eq!(server.version, *version);
        assert_eq!(server.agent, format!("Neo4j/{}", line.version()));
        assert!(server.connection_id.starts_with("bolt-"), "{}", server.connection_id);
        assert_usable(&mut connection).await;

        let options = RunOptions::default();
        let error = connection
            .execute("RETURN nonsense", Params::None, &options)
            .await
            .expect_err("a wrong query");
        assert_eq!(error.code(), Some("Neo.ClientError.Statement.SyntaxError"));
        let lifeboat_bolt::Error::Server { gql, .. } = error else { unreachable!() };
        // Its own cause is only told by the status of the standard.
        assert_eq!(gql.is_some(), *version >= (5, 7), "{version:?}: {gql:?}");

        let query = "CREATE p = (a:Version {v: 1})-[r:VERSION {v: 2}]->(:Version) \
                     WITH * DETACH DELETE p RETURN a, r, p";
        let query = query.replace(" WITH * DETACH DELETE p", "");
        connection.begin(&options).await?;
        let mut records = connection.run(&query, Params::None, &options).await?;
        assert_eq!(records.fields(), ["a", "r", "p"]);
        let record = records.next().await?.expect("a record");
        let [Value::Node(node), Value::Relationship(relationship), Value::Path(path)] = &record[..]
        else {
            panic!("{record:?}");
        };
        records.finish().await?;
        connection.rollback().await?;
        assert_eq!(node.labels, ["Version"]);
        assert_eq!(node.properties, [("v".to_owned(), Value::Int(1))]);
        assert_eq!((relationship.start, relationship.kind.as_str()), (node.id, "VERSION"));
        assert_eq!(path.nodes[0], **node);
        assert_eq!(path.nodes[1].id, relationship.end);
        assert_eq!(path.relationships[0].properties, [("v".to_owned(), Value::Int(2))]);
        assert_eq!(path.indices, [1, 1]);
        assert_eq!(node.element_id.is_some(), *version >= (5, 0));
        assert_eq!(relationship.element_ids.is_some(), *version >= (5, 0));
        connection.close().await;
    }
    // Nobody speaks 5.5; the best below it is taken.
    config.max_version = Some((5, 5));
    assert_eq!(Connection::connect(&config).await?.server().version, (5, 4));
    config.max_version = None;
    let best = Connection::connect(&config).await?.server().version;
    assert_eq!(Some(&best), versions.last());
    Ok(())
}

#[tokio::test]
async fn lts_speaks_up_to_5_8() -> Result<()> {
    each_version(Line::Lts, &UP_TO_5_8).await
}

#[tokio::test]
async fn current_speaks_up_to_6_1() -> Result<()> {
    each_version(Line::Current, &[&UP_TO_5_8[..], &[(6, 0), (6, 1)]].concat()).await
}

#[tokio::test]
async fn too_old_a_version_is_refused() -> Result<()> {
    let _company = in_company().await;
    let mut config = config(Line::Lts).await?;
    config.max_version = Some((4, 3));
    let error = Connection::connect(&config).await.unwrap_err();
    assert!(error.to_string().contains("refused every version"), "{error}");
    Ok(())
}
