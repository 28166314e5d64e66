//! The `lifeboat` command; everything is in the library beside it.

fn main() {
    bound_arenas();
    // Not by returning: a thread that waits for a key press must not hold the process.
    std::process::exit(lifeboat_cli::run(std::env::args_os()).into());
}

/// Lets glibc have as many arenas as there are processors, and not eight times as many: it keeps in
/// each of them what their threads have freed, which is twice what we need at the same speed (see
/// `docs/benchmarks.md`). Who has set this in the environment is left to it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn bound_arenas() {
    if ["MALLOC_ARENA_MAX", "GLIBC_TUNABLES"].iter().any(|name| std::env::var_os(name).is_some()) {
        return;
    }
    let arenas = std::thread::available_parallelism().map_or(2, std::num::NonZero::get).max(2);
    let arenas = libc::c_int::try_from(arenas).unwrap_or(libc::c_int::MAX);
    #[expect(unsafe_code, reason = "the environment, the other way to say it, is inherited")]
    // SAFETY: takes two numbers, and this is the only thread yet, as mallopt(3) wants it. Should it
    // be refused, there are as many arenas as before.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, arenas);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn bound_arenas() {}
