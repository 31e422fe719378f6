use std::{
    fs,
    sync::atomic::{AtomicU32, Ordering},
};

use futures_util::TryStreamExt;
use proptest::prelude::*;
use tempfile::TempDir;

use super::{local::Step, *};

const C: usize = 65_536;

fn key() -> Key {
    Key { number: 3, bytes: Zeroizing::new([7; 32]) }
}

fn store() -> (TempDir, Blobs) {
    let home = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(&Location::Directory(home.path().join("blobs"))).unwrap();
    (home, blobs)
}

/// Bytes of which no two chunks are alike.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| u8::try_from((n / 251 + n) % 253).unwrap()).collect()
}

async fn stored(blobs: &Blobs, owner: Uuid, content: &[u8]) -> Place {
    let mut pack = blobs.pack(owner, &key());
    let place = pack.add(content);
    pack.finish().await.unwrap();
    place
}

async fn put(blobs: &Blobs, owner: Uuid, pieces: Vec<io::Result<Bytes>>, at_most: u64) -> Result<Place, Fault> {
    blobs.put(owner, &key(), stream::iter(pieces), at_most).await
}

fn only_file(home: &TempDir) -> PathBuf {
    let mut files: Vec<PathBuf> = all_files(home.path());
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

fn all_files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { all_files(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn blobs_of_a_pack_are_read_back_each_by_its_place() {
    let (home, blobs) = store();
    let owner = ids::new_event_id();
    let contents =
        [content(0), content(1), content(C - 1), content(C), content(C + 1), content(3 * C), b"end".to_vec()];
    let mut pack = blobs.pack(owner, &key());
    let places: Vec<Place> = contents.iter().map(|content| pack.add(content)).collect();
    assert!(pack.bytes() > 6 * C);
    pack.finish().await.unwrap();
    for (content, place) in contents.iter().zip(&places) {
        assert_eq!(&blobs.read(owner, &key(), place, 0..u64::MAX).await.unwrap(), content);
        assert_eq!((place.length, place.key), (content.len() as u64, 3));
    }
    assert_eq!(hex::encode(places[0].sha256), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let name = format!("{owner}/{}", places[0].pack.simple());
    assert!(only_file(&home).ends_with(name), "an object is named by owner and pack");
    assert!(!fs::read(only_file(&home)).unwrap().windows(3).any(|bytes| bytes == b"end"), "and sealed");
}

#[tokio::test]
async fn ranges_over_every_border_of_chunks_are_those_of_the_content() {
    let (_home, blobs) = store();
    let owner = ids::new_event_id();
    let content = content(3 * C + 100);
    let mut pack = blobs.pack(owner, &key());
    pack.add(b"something before");
    let place = pack.add(&content);
    pack.add(b"something behind");
    pack.finish().await.unwrap();
    let edges: Vec<usize> =
        [0, C, 2 * C, 3 * C, content.len()].iter().flat_map(|&edge| [edge.saturating_sub(1), edge, edge + 1]).collect();
    for &from in &edges {
        for &to in edges.iter().filter(|&&to| to >= from) {
            let read = blobs.read(owner, &key(), &place, from as u64..to as u64).await.unwrap();
            let (from, to) = (from.min(content.len()), to.min(content.len()));
            assert!(read == content[from..to], "{from}..{to}");
            let streamed = blobs.stream(owner, &key(), &place, from as u64..to as u64);
            let streamed: Vec<Bytes> = streamed.try_collect().await.unwrap();
            assert!(streamed.concat() == content[from..to], "{from}..{to}, streamed");
        }
    }
}

#[tokio::test]
async fn what_comes_piece_by_piece_is_stored_as_what_comes_whole() {
    let (_home, blobs) = store();
    let owner = ids::new_event_id();
    for length in [0, 1, C - 1, C, C + 1, 2 * C, 5 * C + 7] {
        let content = content(length);
        for piece in [999, C, 2 * C + 1] {
            let pieces = content.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
            let place = put(&blobs, owner, pieces, length as u64).await.unwrap();
            let whole = stored(&blobs, owner, &content).await;
            assert_eq!((place.length, place.sha256, place.offset), (whole.length, whole.sha256, 0));
            assert!(blobs.read(owner, &key(), &place, 0..u64::MAX).await.unwrap() == content, "{length} by {piece}");
        }
    }
}

#[tokio::test]
async fn what_is_too_large_or_cut_short_leaves_nothing() {
    let (home, blobs) = store();
    let owner = ids::new_event_id();
    let piece = || Ok(Bytes::from(content(C)));
    let told = put(&blobs, owner, vec![piece(), piece(), piece()], 2 * C as u64).await;
    assert!(matches!(told, Err(Fault::TooLarge)), "{told:?}");
    let told = put(&blobs, owner, vec![piece(), Err(io::ErrorKind::ConnectionReset.into())], u64::MAX).await;
    assert!(matches!(told, Err(Fault::Content(_))), "{told:?}");
    // Whoever asked goes away before the end.
    let endless = stream::repeat_with(|| Ok(Bytes::from(content(C)))).then(|piece| async {
        tokio::task::yield_now().await;
        piece
    });
    let key = key();
    let waiting = blobs.put(owner, &key, endless, u64::MAX);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(50), waiting).await.is_err());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !all_files(home.path()).is_empty() {
        assert!(std::time::Instant::now() < deadline, "a file is left");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let objects: Vec<_> = blobs.objects().try_collect().await.unwrap();
    assert_eq!(objects, []);
}

#[tokio::test]
async fn chunks_that_were_cut_swapped_or_changed_do_not_open() {
    let (home, blobs) = store();
    let owner = ids::new_event_id();
    let place = stored(&blobs, owner, &content(2 * C + 50)).await;
    let path = only_file(&home);
    let sealed = fs::read(&path).unwrap();
    let chunk = C + 16;
    let mut swapped = sealed.clone();
    swapped[..2 * chunk].rotate_left(chunk);
    let mut changed = sealed.clone();
    changed[chunk + 5] ^= 1;
    for (what, bytes) in [
        ("the last bytes gone", &sealed[..sealed.len() - 1]),
        ("the last chunk gone", &sealed[..2 * chunk]),
        ("two chunks swapped", &swapped[..]),
        ("a bit changed", &changed[..]),
        ("nothing left", &[][..]),
    ] {
        fs::write(&path, bytes).unwrap();
        let told = blobs.read(owner, &key(), &place, 0..u64::MAX).await;
        assert!(matches!(told, Err(Fault::Corrupt)), "{what}: {told:?}");
    }
    // The second chunk is not looked at for the first.
    fs::write(&path, &changed).unwrap();
    assert!(blobs.read(owner, &key(), &place, 0..10).await.is_ok());
    // A chunk that was not the last is not taken for it.
    fs::write(&path, &sealed).unwrap();
    let shorter = Place { length: 2 * C as u64, ..place };
    let told = blobs.read(owner, &key(), &shorter, 0..u64::MAX).await;
    assert!(matches!(told, Err(Fault::Corrupt)), "{told:?}");
}

#[tokio::test]
async fn chunks_of_another_owner_key_pack_or_blob_do_not_open() {
    let (home, blobs) = store();
    let (owner, other) = (ids::new_event_id(), ids::new_event_id());
    let mut pack = blobs.pack(owner, &key());
    let (place, next) = (pack.add(&content(C)), pack.add(&content(C)));
    pack.finish().await.unwrap();
    let directory = only_file(&home).parent().unwrap().to_owned();
    let object = only_file(&home);
    fs::create_dir(home.path().join(format!("blobs/{other}"))).unwrap();
    let moved = ids::new_event_id();
    fs::copy(&object, directory.join(moved.simple().to_string())).unwrap();
    fs::copy(&object, home.path().join(format!("blobs/{other}/{}", place.pack.simple()))).unwrap();
    let another = Key { number: 3, bytes: Zeroizing::new([8; 32]) };
    let numbered = Key { number: 4, ..key() };
    for (what, owner, key, place) in [
        ("of another owner", other, key(), place),
        ("under another key", owner, another, place),
        ("under another number", owner, numbered, place),
        ("in another pack", owner, key(), Place { pack: moved, ..place }),
        ("of the next blob", owner, key(), Place { offset: next.offset, ..place }),
        ("beyond the end", owner, key(), Place { offset: u64::MAX - 5, ..place }),
        ("of a chunk that cannot be", owner, key(), Place { chunk: u64::MAX, length: 2 * C as u64, ..place }),
    ] {
        let told = blobs.read(owner, &key, &place, 0..u64::MAX).await;
        assert!(matches!(told, Err(Fault::Corrupt | Fault::Io { .. })), "{what}: {told:?}");
    }
    assert!(blobs.read(owner, &key(), &next, 0..u64::MAX).await.is_ok());
    let gone = Place { pack: ids::new_event_id(), ..place };
    assert!(matches!(blobs.read(owner, &key(), &gone, 0..1).await, Err(Fault::Missing)));
}

#[tokio::test]
async fn a_reader_reads_and_seeks_as_in_a_file() {
    use std::io::{Read, Seek, SeekFrom};
    let (_home, blobs) = store();
    let owner = ids::new_event_id();
    let content = content(20 * C + 9);
    let place = stored(&blobs, owner, &content).await;
    let mut reader = blobs.reader(owner, &key(), &place).unwrap();
    let read = tokio::task::spawn_blocking(move || {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        let mut some = [0; 5];
        reader.seek(SeekFrom::Start(16 * C as u64 - 2)).unwrap();
        reader.read_exact(&mut some).unwrap();
        assert_eq!(reader.seek(SeekFrom::End(-4)).unwrap(), 20 * C as u64 + 5);
        let mut end = Vec::new();
        reader.read_to_end(&mut end).unwrap();
        assert!(reader.seek(SeekFrom::Current(i64::MIN)).is_err());
        (all, some, end)
    });
    let (all, some, end) = read.await.unwrap();
    assert!(all == content);
    assert_eq!(some, content[16 * C - 2..16 * C + 3]);
    assert_eq!(end, content[20 * C + 5..]);
}

#[tokio::test]
async fn a_finished_pack_was_synced_before_it_got_its_name_and_its_directory_after() {
    let home = tempfile::tempdir().unwrap();
    let steps = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = steps.clone();
    let watch: local::Watch = Arc::new(move |step| {
        seen.lock().unwrap().push(step);
        Ok(())
    });
    let blobs = Blobs { local: Arc::new(Local::watched(home.path(), watch).unwrap()) };
    let owner = ids::new_event_id();
    stored(&blobs, owner, b"one").await;
    let once = [Step::Write, Step::SyncFile, Step::Rename, Step::SyncDirectory];
    let first = [&[Step::SyncDirectory][..], &once].concat();
    assert_eq!(*steps.lock().unwrap(), first, "the first of an owner syncs the root too");
    steps.lock().unwrap().clear();
    stored(&blobs, owner, b"two").await;
    assert_eq!(*steps.lock().unwrap(), once);
}

#[tokio::test]
async fn whatever_step_fails_before_the_name_no_object_is_there() {
    for failing in [Step::Write, Step::SyncFile, Step::Rename] {
        let home = tempfile::tempdir().unwrap();
        let countdown = AtomicU32::new(1);
        let watch: local::Watch = Arc::new(move |step| {
            let now = step == failing && countdown.fetch_sub(1, Ordering::SeqCst) == 1;
            if now { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        });
        let blobs = Blobs { local: Arc::new(Local::watched(home.path(), watch).unwrap()) };
        let owner = ids::new_event_id();
        let mut pack = blobs.pack(owner, &key());
        let place = pack.add(b"lost");
        let told = pack.finish().await;
        assert!(matches!(told, Err(Fault::Io { .. })), "{failing:?}: {told:?}");
        assert!(matches!(blobs.read(owner, &key(), &place, 0..1).await, Err(Fault::Missing)));
        assert_eq!(blobs.objects().try_collect::<Vec<_>>().await.unwrap(), []);
        assert_eq!(all_files(home.path()), Vec::<PathBuf>::new(), "{failing:?}");
        stored(&blobs, owner, b"the next one").await;
    }
}

#[tokio::test]
async fn what_a_crash_left_is_no_object_and_is_cleared_away_when_it_is_old() {
    let (home, blobs) = store();
    let owner = ids::new_event_id();
    let place = stored(&blobs, owner, b"kept").await;
    let left = home.path().join(format!("blobs/{owner}/.{}", ids::new_event_id().simple()));
    fs::write(&left, b"half of a pack").unwrap();
    let objects: Vec<_> = blobs.objects().try_collect().await.unwrap();
    assert_eq!(objects, [(owner, place.pack, 4 + 16)]);
    assert_eq!(blobs.clear_leftovers().await.unwrap(), 0, "somebody may be writing it");
    assert_eq!(blobs.local.clear_leftovers(std::time::Duration::ZERO).unwrap(), 1);
    assert!(!left.exists());
    assert_eq!(blobs.read(owner, &key(), &place, 0..9).await.unwrap(), b"kept");
}

#[tokio::test]
async fn forgetting_an_owner_leaves_nothing_of_theirs_and_all_of_the_others() {
    let (home, blobs) = store();
    let (owner, other) = (ids::new_event_id(), ids::new_event_id());
    let gone = stored(&blobs, owner, b"gone").await;
    stored(&blobs, owner, b"gone too").await;
    let stays = stored(&blobs, other, b"stays").await;
    fs::write(home.path().join(format!("blobs/{owner}/.{}", ids::new_event_id().simple())), b"left").unwrap();
    assert_eq!(blobs.owners().await.unwrap(), [owner, other]);
    assert_eq!(blobs.forget(owner).await.unwrap(), 2);
    assert_eq!(blobs.forget(owner).await.unwrap(), 0);
    assert_eq!(blobs.owners().await.unwrap(), [other]);
    assert!(matches!(blobs.read(owner, &key(), &gone, 0..1).await, Err(Fault::Missing)));
    assert_eq!(blobs.read(other, &key(), &stays, 0..9).await.unwrap(), b"stays");
    assert!(blobs.remove(other, stays.pack).await.unwrap());
    assert!(!blobs.remove(other, stays.pack).await.unwrap());
    assert_eq!(all_files(home.path()), Vec::<PathBuf>::new());
    // An owner may have something again: the directory is made anew.
    stored(&blobs, owner, b"new").await;
}

#[tokio::test]
async fn packs_travel_to_a_backup_and_back_as_they_are() {
    let (home, blobs) = store();
    let (other_home, restored) = store();
    let owner = ids::new_event_id();
    let place = stored(&blobs, owner, &content(C + 1)).await;
    let backup = home.path().join("copy");
    let bytes = blobs.copy_out(owner, place.pack, &backup).await.unwrap();
    assert_eq!(blobs.copy_out(owner, place.pack, &backup).await.unwrap(), bytes, "twice is once");
    assert_eq!(bytes, C as u64 + 1 + 2 * 16);
    assert!(restored.copy_in(owner, place.pack, &backup).await.unwrap());
    assert!(!restored.copy_in(owner, place.pack, &backup).await.unwrap(), "it is there");
    assert!(restored.read(owner, &key(), &place, 0..u64::MAX).await.unwrap() == content(C + 1));
    assert_eq!(fs::read(only_file(&other_home)).unwrap(), fs::read(&backup).unwrap());
    let missing = blobs.copy_out(owner, ids::new_event_id(), &home.path().join("none")).await;
    assert!(matches!(missing, Err(Fault::Missing)), "{missing:?}");
}

#[tokio::test]
async fn an_empty_pack_is_nothing_and_one_that_is_too_large_is_refused() {
    let (home, blobs) = store();
    let owner = ids::new_event_id();
    blobs.pack(owner, &key()).finish().await.unwrap();
    let place = Place { pack: owner, key: 3, offset: 0, length: READ_AT_MOST + 2, chunk: 0, sha256: [0; 32] };
    let told = blobs.read(owner, &key(), &place, 0..READ_AT_MOST + 1).await;
    assert!(matches!(told, Err(Fault::TooLarge)), "{told:?}");
    assert_eq!(all_files(home.path()), Vec::<PathBuf>::new());
}

#[test]
fn places_are_directories_by_path_or_by_url_and_nothing_else() {
    for (text, path) in [("/var/orbit", "/var/orbit"), ("data/blobs", "data/blobs"), ("file:///srv/b", "/srv/b")] {
        assert_eq!(text.parse(), Ok(Location::Directory(path.into())), "{text}");
    }
    for text in ["", "file://", "file://host/path", "s3://bucket/prefix", "http://host/"] {
        assert_eq!(text.parse::<Location>(), Err(NotALocation), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_range_of_any_blob_of_any_pack_is_that_of_its_content(
        lengths in prop::collection::vec(0..200_000usize, 1..4), from in 0..210_000u64, length in 0..140_000u64,
    ) {
        let (_home, blobs) = store();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let owner = ids::new_event_id();
            let mut pack = blobs.pack(owner, &key());
            let places: Vec<_> = lengths.iter().map(|&length| (content(length), pack.add(&content(length)))).collect();
            pack.finish().await.unwrap();
            for (content, place) in places {
                let read = blobs.read(owner, &key(), &place, from..from + length).await.unwrap();
                let clamp = |at: u64| usize::try_from(at).unwrap().min(content.len());
                assert!(read == content[clamp(from)..clamp(from + length)]);
            }
        });
    }
}
