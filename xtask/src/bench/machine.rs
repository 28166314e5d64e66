//! On what was measured, and when.

use std::fs;
use std::thread::available_parallelism;

use jiff::Timestamp;

/// The day, the program and the machine, in one sentence without a dot.
pub(super) fn describe() -> String {
    let processors = available_parallelism().map_or(1, usize::from);
    let model = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
    let memory = field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.strip_suffix(" kB")?.parse::<u64>().ok())
        .unwrap_or(0);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{}, lifeboat {}, {processors} processors ({model}), {} GiB of memory, Linux {}",
        Timestamp::now().strftime("%Y-%m-%d"),
        env!("CARGO_PKG_VERSION"),
        memory >> 20,
        kernel.trim()
    )
}

/// The first value of a name in a file of `name: value` lines.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}
