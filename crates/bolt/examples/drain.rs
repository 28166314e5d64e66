//! Measures how fast results are read: `drain URI USER PASSWORD_FILE FETCH_SIZE QUERY…`. A fetch
//! size of -1 leaves it to the client.

use std::time::Instant;

use lifeboat_bolt::{Access, Auth, Config, Connection, Params, RunOptions};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [uri, user, password_file, fetch_size, queries @ ..] = &arguments[..] else {
        return Err("usage: drain URI USER PASSWORD_FILE FETCH_SIZE QUERY…".into());
    };
    let password = std::fs::read_to_string(password_file)?;
    let config = Config::new(uri.parse()?, Auth::basic(user, password.trim_end()));
    let mut connection = Connection::connect(&config).await?;
    let options = RunOptions {
        access: Access::Read,
        fetch_size: fetch_size.parse()?,
        ..RunOptions::default()
    };
    for query in queries {
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
        println!(
            "{count} records, {bytes} bytes, {batches} batches, {seconds:.3} s, {rate:.0} MB/s"
        );
    }
    Ok(())
}
