use super::*;
use std::fs::File;

const NAMES: [&str; 2] = ["in", "a-topic-of-another-name"];

fn whose(topic: usize, version: u64) -> Whose<'static> {
    let assignment = AssignmentId(topic as u32);
    Whose { pipeline: "p", version, assignment, topic: NAMES[topic], partition: 3 }
}

/// A process that ends without a word, as all do in this test: the mark stays, the lock does not.
fn process(path: &Path, shards: usize) -> Suspects {
    Suspects::open(path, shards).expect("it opens")
}

/// What a handler would do, and the end of the process: its lock goes, its memory stays.
fn comes_down(suspects: Suspects, path: &Path, is_noted: bool) {
    if is_noted {
        suspects.map.crashed().store(11, Ordering::Release);
    }
    // The map is leaked with its lock: only another file of the same content is free.
    let left = std::fs::read(path).expect("it is there");
    std::fs::remove_file(path).expect("removed");
    std::fs::write(path, left).expect("written");
}

#[test]
fn suspects_run_alone_and_are_convicted_or_let_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("suspects");
    let first = process(&path, 3);
    let [mut one, mut two, mut three] = [0, 1, 2].map(|shard| first.marker(shard));
    assert_eq!(one.enter(whose(0, 7), 41), Verdict::Clear);
    assert_eq!(two.enter(whose(1, 7), 5), Verdict::Clear);
    assert_eq!(three.enter(whose(1, 7), 6), Verdict::Clear);
    three.leave();
    assert!(first.running(0).expect("it runs").contains("in/3 offset 41"));
    comes_down(first, &path, true);

    let second = process(&path, 1);
    let mut marker = second.marker(0);
    assert_eq!(marker.enter(whose(1, 7), 6), Verdict::Clear, "it had ended");
    marker.leave();
    assert_eq!(marker.enter(whose(1, 7), 5), Verdict::Suspect);
    marker.over();
    marker.leave();
    assert_eq!(marker.enter(whose(1, 7), 5), Verdict::Clear, "it was let go");
    marker.leave();
    // It waits in between, and is still under suspicion afterwards.
    assert_eq!(marker.enter(whose(0, 7), 41), Verdict::Suspect);
    marker.leave();
    assert_eq!(marker.enter(whose(0, 7), 41), Verdict::Suspect);
    comes_down(second, &path, true);

    let third = process(&path, 2);
    let mut marker = third.marker(1);
    assert_eq!(marker.enter(whose(0, 7), 41), Verdict::Convicted);
    assert_eq!(marker.enter(whose(0, 8), 41), Verdict::Suspect, "another program may do better");
    marker.leave();
    // Neither a kill nor an orderly end forgets what is known, or suspects more.
    marker.enter(whose(1, 7), 9);
    comes_down(third, &path, false);

    let fourth = process(&path, 2);
    let mut marker = fourth.marker(0);
    assert_eq!(marker.enter(whose(1, 7), 9), Verdict::Clear);
    marker.leave();
    assert_eq!(marker.enter(whose(0, 7), 41), Verdict::Convicted);
    marker.settled("p", NAMES[0], 3, 41);
    assert!(marker.is_open());
    marker.settled("p", NAMES[0], 3, 42);
    assert!(!marker.is_open(), "it is committed");
    assert_eq!(marker.enter(whose(0, 7), 41), Verdict::Clear);
}

#[test]
fn a_trial_waits_for_the_others_and_they_for_it() {
    let docket = Arc::new(Docket::default());
    docket.enter(false);
    let (told, hears) = std::sync::mpsc::channel();
    let (trial, after) = (docket.clone(), docket.clone());
    let said = told.clone();
    let tried = std::thread::spawn(move || {
        trial.enter(true);
        said.send("trial").expect("heard");
        std::thread::sleep(std::time::Duration::from_millis(50));
        said.send("over").expect("heard");
        trial.leave(true);
    });
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert!(hears.try_recv().is_err(), "another one runs");
    docket.leave(false);
    assert_eq!(hears.recv(), Ok("trial"));
    after.enter(false);
    told.send("normal").expect("heard");
    assert_eq!(hears.try_iter().collect::<Vec<_>>(), ["over", "normal"]);
    after.leave(false);
    tried.join().expect("it ends");
}

#[test]
fn a_file_of_something_else_is_made_anew_and_one_in_use_is_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("suspects");
    std::fs::write(&path, vec![7; slot::SLOT_BYTES * 80]).expect("written");
    let first = process(&path, 2);
    assert!(!first.marker(0).is_open());
    assert_eq!(first.file(), Some(&*path));
    let second = process(&path, 2);
    assert!(second.file().expect("one").ends_with("suspects.1"));
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&path, &link).expect("linked");
    assert!(Suspects::open(&link, 1).is_err(), "a link is not followed");
    assert!(File::open(&path).expect("there").metadata().expect("known").len() > 0);
}
