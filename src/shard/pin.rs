//! Pinning: a shard's thread stays on one core, where the operator has cores to give away.

use core_affinity::{get_core_ids, set_for_current};

/// Keeps the calling thread on core number `shard` of those that it may use now, which are the
/// process's as long as it was not pinned before; or says why it can't. Threads that it starts from
/// then on stay there too.
pub fn pin_to_core(shard: usize) -> Result<(), String> {
    let cores = get_core_ids().ok_or("the system does not tell which cores there are")?;
    let Some(core) = cores.get(shard) else {
        return Err(format!("the process may use {} cores only", cores.len()));
    };
    match set_for_current(*core) {
        true => Ok(()),
        false => Err(format!("the system refused core {}", core.id)),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_has_one_core_left() {
        let pinned = std::thread::spawn(|| {
            let cores = get_core_ids().expect("Linux tells");
            let last = cores.len() - 1;
            pin_to_core(last).expect("a core that it may use");
            (cores[last], get_core_ids().expect("Linux tells"))
        });
        let (wanted, left) = pinned.join().expect("it does not panic");
        assert_eq!(left, [wanted]);
    }

    #[test]
    fn a_core_too_many_is_refused() {
        let before = get_core_ids();
        let why = pin_to_core(usize::MAX).expect_err("nobody has as many");
        assert!(why.starts_with("the process may use "), "{why}");
        assert_eq!(get_core_ids(), before);
    }
}
