//! Measures how fast a result is read: `drain URI USER PASSWORD_FILE QUERY [FETCH_SIZE]`.

use std::time::Instant;

use lifeboat_bolt::{Access, Auth, Config, Connection, Params, RunOptions};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (uri, user, password_file, query, fetch_size) = match &arguments[..] {
        [uri, user, password_file, query] => (uri, user, password_file, query, -1),
        [uri, user, password_file, query, size] => (uri, user, password_file, query, size.parse()?),
        _ => return Err("usage: drain URI USER PASSWORD_FILE QUERY [FETCH_SIZE]".into()),
    };
    let password = std::fs::read_to_string(password_file)?;
    let config = Config::new(uri.parse()?, Auth::basic(user, password.trim_end()));
    let mut connection = Connection::connect(&config).await?;
    let options = RunOptions { access: Access::Read, fetch_size, ..RunOptions::default() };
    let start = Instant::now();
    let mut records = connection.run(query, Params::None, &options).await?;
    let (mut count, mut bytes, mut batches) = (0, 0, 0);
    while let Some(batch) = records.next_batch().await? {
        count += batch.len();
        bytes += batch.byte_len();
        batches += 1;
    }
    records.finish().await?;
    let seconds = start.elapsed().as_secs_f64();
    let rate = bytes as f64 / seconds / 1e6;
    println!("{count} records, {bytes} bytes, {batches} batches, {seconds:.3} s, {rate:.0} MB/s");
    Ok(())
}
