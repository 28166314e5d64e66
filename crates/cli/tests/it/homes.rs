//! What can be wrong with the files of a home and with its disk, and that nothing is lost by it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use lifeboat_testkit::Line;
use lifeboat_testkit::neo4j::assemble;

use crate::support::{Ran, bare, database, lifeboat};

/// A physical backup called `files`, and what it is restored with.
struct World {
    folder: tempfile::TempDir,
    /// The folder with Neo4j's `lib`.
    neo4j: String,
}

impl World {
    async fn new() -> Self {
        let database = database().await;
        let folder = tempfile::tempdir().unwrap();
        database.create("Kept", 100).await;
        let home = database.server.home().to_str().unwrap();
        let args = ["backup", "--method", "physical", "--neo4j-home", home, "--name", "files"];
        Ran::of(database.lifeboat(&folder.path().join("vault"), args)).await.code(0);
        let neo4j = database.server.installation().folder().display().to_string();
        Self { folder, neo4j }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An empty folder.
    fn home(&self, name: &str) -> PathBuf {
        let home = self.path(name);
        fs::create_dir(&home).unwrap();
        home
    }

    async fn run(&self, args: &[&str]) -> Ran {
        let mut command = lifeboat(args);
        command.env("LIFEBOAT_VAULT", self.path("vault")).current_dir(self.folder.path());
        Ran::of(command).await
    }

    /// Restores into a home, as further arguments say.
    async fn restore(&self, home: &Path, args: &[&str]) -> Ran {
        let into = ["restore", "files", "--into-home", home.to_str().unwrap()];
        self.run(&[&into, args].concat()).await
    }
}

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let items = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        items.map(|item| item.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_is_restored_whole_or_left_as_it_was() {
    let world = World::new().await;

    // Not a home, and not a server that is known.
    let other = world.home("other");
    fs::write(other.join("thesis.txt"), "do not touch").unwrap();
    world.restore(&other, &[]).await.code(1).says("it holds other things").says("hint:");
    assert_eq!(names(&other), ["thesis.txt"]);
    let unknown = world.home("unknown");
    fs::create_dir(unknown.join("lib")).unwrap();
    fs::write(unknown.join("lib/neo4j-kernel-4.4.40.jar"), "").unwrap();
    world
        .restore(&unknown, &[])
        .await
        .code(13)
        .says("Neo4j 4.4.40 is of no line that this program supports")
        .says("hint: the same version or a newer one");
    assert_eq!(names(&unknown), ["lib"]);

    // A server of the newer line takes the older one's store over, and proves it. The home may be
    // named as it is seen from here.
    let newer = assemble(Line::Current).await.unwrap();
    let (lib, java) = (newer.folder().to_str().unwrap(), newer.java().program());
    world.home("upgraded");
    let with = ["--neo4j", lib, "--java", java.to_str().unwrap(), "--json"];
    let summary = world.restore(Path::new("upgraded"), &with).await.code(0).summary();
    for proof in ["proven", "checked", "counted"] {
        assert_eq!(summary[proof], true, "{proof}: {summary}");
    }

    // One database alone goes back only beside the `system` that it came with.
    let home = world.home("home");
    let only = |name| ["--only", name, "--yes"];
    world.restore(&home, &only("neo4j")).await.code(13).says("`system` is of another server");
    world.restore(&home, &[]).await.code(0);
    world.restore(&home, &only("system")).await.code(13).says("has to fit the databases beside");
    world.restore(&home, &only("other")).await.code(13).says("the backup holds neo4j, system");
    let inode = |path: &str| fs::metadata(home.join("data").join(path)).unwrap().ino();
    let inodes = || ["databases/system", "databases/neo4j"].map(inode);
    let before = inodes();
    world.restore(&home, &only("neo4j")).await.code(0);
    let after = inodes();
    assert!(before[0] == after[0] && before[1] != after[1], "{before:?} {after:?}");

    // A server that does not do is stopped before the old data comes back.
    let marker = world.path("stopped");
    let stop = format!("touch '{}'", marker.display());
    let uri = ["--uri", "bolt://127.0.0.1:1", "--yes"];
    let failing = ["--start-command", "exit 7", "--stop-command"];
    let args = [&uri[..], &failing, &[&stop]].concat();
    world.restore(&home, &args).await.code(1).says("the old data was put back").says("exit");
    assert!(marker.exists());
    assert_eq!(inodes(), after);
    // When it cannot be stopped, nothing is taken from under it; where the old data is, is told.
    let args = [&uri[..], &failing, &["exit 8"]].concat();
    let ran = world.restore(&home, &args).await.code(1).says("could not be put back");
    let kept = ran.stderr.split("it is safe in ").nth(1).unwrap().split(": ").next().unwrap();
    let kept = fs::metadata(Path::new(kept).join("databases/neo4j")).unwrap();
    assert_eq!(kept.ino(), after[1]);

    // A version that cannot be told is not made up.
    let home = home.to_str().unwrap();
    let backup = ["backup", "--method", "physical", "--neo4j-home", home];
    world.run(&backup).await.code(1).says("cannot tell which version").says("--neo4j");

    unreadable(&world, Path::new(home)).await;
}

/// What may not be read is told by name. Whoever has no right over the files of others has it
/// not over his own either, when they say so.
async fn unreadable(world: &World, home: &Path) {
    if Ran::of(plain(&["true"])).await.code != Some(0) {
        eprintln!("skipped: this machine lets no process give up its rights");
        return;
    }
    let run = async |args: &[&str]| {
        let program = [&[crate::support::LIFEBOAT], args].concat();
        let mut command = plain(&program);
        command.env("LIFEBOAT_VAULT", world.path("vault"));
        Ran::of(command).await
    };
    let path = home.to_str().unwrap();
    let backup = ["backup", "--method", "physical", "--neo4j-home", path, "--neo4j", &world.neo4j];
    let ship = ["ship", "--once", "--no-base", "--neo4j-home", path];
    let logs = names(&home.join("data/transactions/neo4j"));
    let log = logs.iter().find(|name| name.starts_with("neostore.transaction.db.")).unwrap();
    for (closed, works) in [
        ("data/databases", &backup[..]),
        ("data/databases/neo4j/neostore.nodestore.db", &backup),
        ("data/transactions", &ship),
        (&format!("data/transactions/neo4j/{log}"), &ship),
    ] {
        let file = home.join(closed);
        let mode = fs::metadata(&file).unwrap().permissions();
        fs::set_permissions(&file, Permissions::from_mode(0o000)).unwrap();
        let ran = run(works).await;
        fs::set_permissions(&file, mode).unwrap();
        ran.code(1).says(&format!("cannot read {}", file.display())).says("ermission denied");
    }
    let listed = crate::support::listed(&world.path("vault")).await;
    assert_eq!(listed, ["files"], "nothing of them lists");
    run(&backup).await.code(0);
}

/// A program without rights over what its owner has closed to himself.
fn plain(program: &[&str]) -> tokio::process::Command {
    let mut command = bare("unshare");
    command.arg("--user").args(program);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_onto_a_full_disk_leaves_the_old_data() {
    let world = World::new().await;
    let home = world.home("small");
    let mount = format!("mount -t tmpfs -o size=512k none '{}'", home.display());
    let mut probe = bare("unshare");
    probe.args(["-rm", "sh", "-c", &mount]);
    if Ran::of(probe).await.code != Some(0) {
        eprintln!("skipped: this machine lets no process mount a small file system for itself");
        return;
    }
    let script = format!(
        "{mount} && cd '{}' && mkdir -p data/databases/neo4j data/transactions/neo4j && \
         echo old > data/databases/neo4j/neostore && '{}' restore files --into-home . --yes; \
         code=$?; find data -type f >&2; exit $code",
        home.display(),
        crate::support::LIFEBOAT
    );
    let mut command = bare("unshare");
    command.args(["-rm", "sh", "-c", &script]);
    command.env("LIFEBOAT_VAULT", world.path("vault"));
    let ran = Ran::of(command).await.code(1).says("o space left").says("hint: free some space");
    assert!(
        ran.stderr.ends_with("\ndata/databases/neo4j/neostore\n"),
        "nothing else is left: {ran:?}"
    );
}
