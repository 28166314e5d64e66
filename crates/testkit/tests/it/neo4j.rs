//! The servers themselves: they start, answer, keep what they were given, and go away.

use std::{
    env,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use lifeboat_server::{AdminTool, Error, Server, ServerOptions, running};
use lifeboat_testkit::{Line, Neo4j, Neo4jOptions, folders, neo4j};

fn exists(pid: u32) -> bool {
    // A zombie does not count: what is gone but for its parent's question about it.
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(") ").next().unwrap_or_default().starts_with('Z'))
}

async fn lives(line: Line) {
    let mut server = Neo4j::start(line).await.unwrap();
    let pid = server.pid().unwrap();
    let home = server.home().to_owned();
    assert_eq!(running(&home).unwrap().unwrap().pid, Some(pid), "the lock's holder is the server");

    server.query("CREATE (:Kept {n: 1})").await.unwrap();
    let uri = server.uri();
    server.restart().await.unwrap();
    assert_eq!(server.uri(), uri);
    assert!(!exists(pid));
    let pid = server.pid().unwrap();

    // An acknowledged write outlives a power cut.
    server.query("CREATE (:Kept {n: 2})").await.unwrap();
    server.kill().unwrap();
    assert!(!exists(pid));
    assert_eq!(running(&home).unwrap(), None);
    server.restart().await.unwrap();
    let rows = server.query("MATCH (k:Kept) RETURN count(k)").await.unwrap();
    assert_eq!(rows, [[serde_json::json!(2)]]);

    let pid = server.pid().unwrap();
    server.stop().await.unwrap();
    assert_eq!(server.pid(), None);
    assert!(!exists(pid));
    drop(server);
    assert!(!home.exists(), "the home goes with the server");
}

#[tokio::test]
async fn lts_starts_answers_and_stops() {
    lives(Line::Lts).await;
}

#[tokio::test]
async fn current_starts_answers_and_stops() {
    lives(Line::Current).await;
}

#[tokio::test]
async fn clients_must_log_in_unless_told_otherwise() {
    let server = Neo4j::shared(Line::Lts).await.unwrap();
    let again = Neo4j::shared(Line::Lts).await.unwrap();
    assert_eq!(server.pid(), again.pid());
    assert!(server.query("RETURN 1").await.is_ok());
    let without = Neo4jOptions::default().without_auth();
    let open = Neo4j::start_with(Line::Lts, without).await.unwrap();
    assert!(open.query("RETURN 1").await.is_ok());
    let denied = server.query_as("neo4j", "wrong", "RETURN 1").await.unwrap_err().to_string();
    assert!(denied.contains("Unauthorized"), "{denied}");
    assert!(open.query_as("neo4j", "wrong", "RETURN 1").await.is_ok());
}

#[tokio::test]
async fn a_home_in_use_is_left_alone() {
    let server = Neo4j::shared(Line::Lts).await.unwrap();
    let options = ServerOptions::new(server.home());
    let error = Server::start(server.installation(), options).await.unwrap_err();
    assert!(matches!(error, Error::AlreadyRunning { pid, .. } if pid == server.pid()), "{error}");
    assert!(server.query("RETURN 1").await.is_ok());
}

#[tokio::test]
async fn a_failed_start_tells_why() {
    let installation = neo4j::assemble(Line::Lts).await.unwrap();
    let home = folders::scratch("failing").unwrap();
    let options = ServerOptions::new(home.path()).setting("server.memory.pagecache.size", "many");
    let error = Server::start(&installation, options).await.unwrap_err().to_string();
    assert!(error.contains("pagecache.size") && error.contains("many"), "{error}");

    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mut options = ServerOptions::new(home.path());
    options.bolt_port = Some(taken.local_addr().unwrap().port());
    let error = Server::start(&installation, options).await.unwrap_err().to_string();
    assert!(error.contains("already in use"), "{error}");
    assert_eq!(running(home.path()).unwrap(), None);
}

#[tokio::test]
async fn settings_of_the_home_can_be_inherited_and_are_not_edited() {
    let installation = neo4j::assemble(Line::Lts).await.unwrap();
    let home = folders::scratch("inherit").unwrap();
    lifeboat_server::initialize_home(home.path()).unwrap();
    let conf = "server.directories.data=elsewhere\nserver.bolt.listen_address=:7687\n";
    let file = home.path().join("conf/neo4j.conf");
    std::fs::write(&file, conf).unwrap();
    let mut options = ServerOptions::new(home.path()).without_auth();
    options.inherit_conf = true;
    options.http = false;
    let mut server = Server::start(&installation, options).await.unwrap();
    assert!(server.is_running());
    assert_eq!(server.http_uri(), None);
    assert!(home.path().join("elsewhere/databases/neo4j").is_dir());
    assert!(running(home.path()).unwrap().is_some());
    let pid = server.pid();
    drop(server);
    assert!(!exists(pid));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), conf);
}

async fn administers(line: Line) {
    let mut server = Neo4j::start(line).await.unwrap();
    server.query("CREATE (:Kept {n: 1})").await.unwrap();
    server.stop().await.unwrap();
    let tool = AdminTool::new(server.installation(), server.home());
    let info = tool.run(["database", "info", "neo4j"]).await.unwrap();
    assert!(info.stdout.contains("record-aligned-1.1"), "{info:?}");
    let error = tool.run(["database", "info", "missing"]).await.unwrap_err().to_string();
    assert!(error.contains("database info missing"), "{error}");
}

#[tokio::test]
async fn the_admin_tool_runs_on_lts() {
    administers(Line::Lts).await;
}

#[tokio::test]
async fn the_admin_tool_runs_on_current() {
    administers(Line::Current).await;
}

#[tokio::test]
async fn an_initial_password_is_taken_exactly_and_not_told() {
    // Everything that an argument file could take for its own.
    let password = r#"--@ "it's" \n # é"#;
    let installation = neo4j::assemble(Line::Current).await.unwrap();
    let home = folders::scratch("password").unwrap();
    lifeboat_server::initialize_home(home.path()).unwrap();
    let tool = AdminTool::new(&installation, home.path());
    let error = tool.set_initial_password("short").await.unwrap_err().to_string();
    assert!(error.contains("set-initial-password ***") && !error.contains("short "), "{error}");
    tool.set_initial_password(password).await.unwrap();
    let options = Neo4jOptions::default().home(home.path());
    let server = Neo4j::start_with(Line::Current, options).await.unwrap();
    assert!(server.query("RETURN 1").await.is_err());
    server.query_as("neo4j", password, "RETURN 1").await.unwrap();
}

/// Told to by [`a_killed_process_takes_its_server_along`]: starts a server and waits to be killed.
const VICTIM: &str = "LIFEBOAT_TESTKIT_VICTIM";

#[tokio::test]
#[ignore = "no test: waits to be killed by another one"]
async fn victim() {
    assert!(env::var_os(VICTIM).is_some(), "only for another test to start");
    let server = Neo4j::shared(Line::Lts).await.unwrap();
    println!("\nserver {} {}", server.pid().unwrap(), server.home().display());
    thread::sleep(Duration::from_mins(10));
}

#[test]
fn a_killed_process_takes_its_server_along() {
    let mut victim = Command::new(env::current_exe().unwrap())
        .args(["--exact", "neo4j::victim", "--ignored", "--nocapture"])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let line = BufReader::new(victim.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .find(|line| line.starts_with("server "))
        .expect("the victim starts a server");
    let mut words = line.split(' ').skip(1);
    let pid: u32 = words.next().unwrap().parse().unwrap();
    let home = Path::new(words.next().unwrap());
    assert!(exists(pid) && running(home).unwrap().is_some());
    victim.kill().unwrap();
    victim.wait().unwrap();
    // Only a hang would be a failure, so the limit is far from any honest duration.
    let limit = Instant::now() + Duration::from_mins(2);
    while exists(pid) || running(home).unwrap().is_some() {
        assert!(Instant::now() < limit, "the server outlived the process that started it");
        thread::sleep(Duration::from_millis(20));
    }
}
