//! The `lifeboat` command; everything is in the library beside it.

fn main() {
    // Not by returning: a thread that waits for a key press must not hold the process.
    std::process::exit(lifeboat_cli::run(std::env::args_os()).into());
}
