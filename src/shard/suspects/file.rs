//! The memory-mapped file: a header, a slot a shard, and the docket's slots.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use memmap2::MmapMut;

use super::slot::{SLOT_BYTES, Slot};

/// Records that a crash may leave under suspicion; of more, the first ones count.
pub(super) const DOCKET_SLOTS: usize = 64;
/// `expwsus` and the layout's version.
const MAGIC: u64 = u64::from_le_bytes(*b"expwsus\x01");

#[repr(C)]
struct Header {
    magic: AtomicU64,
    shards: AtomicU32,
    /// The signal that brought the process down; 0 where none did.
    crashed: AtomicU32,
    _reserved: [u8; SLOT_BYTES - 16],
}

const _: () = assert!(size_of::<Header>() == SLOT_BYTES);

/// The file's memory, or such memory without a file. Slots lie behind each other from its start.
pub(super) struct Map {
    // Keeps the memory; touched through `base` only.
    _memory: MmapMut,
    base: *mut u8,
    shards: usize,
    // Locked while the process lives.
    _file: Option<File>,
}

// SAFETY: all that is read or written through `base` are atomics.
unsafe impl Send for Map {}
// SAFETY: as above.
unsafe impl Sync for Map {}

impl Map {
    /// Memory that no crash survives: shards beat in it all the same.
    pub(super) fn anonymous(shards: usize) -> io::Result<Map> {
        let memory = MmapMut::map_anon(bytes_for(shards))?;
        Ok(Map::over(memory, shards, None))
    }

    /// What an earlier process has left in the file, if it is one of ours.
    pub(super) fn left_in(file: &File) -> io::Result<Option<Map>> {
        let len = file.metadata()?.len();
        if len < SLOT_BYTES as u64 || len % SLOT_BYTES as u64 != 0 {
            return Ok(None);
        }
        // SAFETY: the file is locked, so that no other process of ours changes it, and what is read
        // from it are atomics, for which any bytes are values.
        let memory = unsafe { MmapMut::map_mut(file)? };
        let shards = memory.len() / SLOT_BYTES - 1;
        let map = Map::over(memory, shards.saturating_sub(DOCKET_SLOTS), None);
        let header = map.header();
        let is_ours = header.magic.load(Ordering::Relaxed) == MAGIC
            && header.shards.load(Ordering::Relaxed) as usize + DOCKET_SLOTS == shards;
        Ok(is_ours.then_some(map))
    }

    /// The file, emptied, for so many shards.
    pub(super) fn fresh(file: File, shards: usize) -> io::Result<Map> {
        file.set_len(0)?;
        // Written, not only made so long: a full disk shows here, and not as a fault at some store.
        file.write_all_at(&vec![0; bytes_for(shards)], 0)?;
        // SAFETY: as in `left_in`.
        let memory = unsafe { MmapMut::map_mut(&file)? };
        let map = Map::over(memory, shards, Some(file));
        map.header().shards.store(shards as u32, Ordering::Relaxed);
        map.header().magic.store(MAGIC, Ordering::Release);
        Ok(map)
    }

    fn over(mut memory: MmapMut, shards: usize, file: Option<File>) -> Map {
        let base = memory.as_mut_ptr();
        Map { _memory: memory, base, shards, _file: file }
    }

    fn header(&self) -> &Header {
        // SAFETY: the memory is as large as a header at least, aligned to a page, and lives as long as
        // `self`; the fields are atomics.
        unsafe { &*self.base.cast::<Header>() }
    }

    fn at(&self, index: usize) -> &Slot {
        assert!(index < self.shards + DOCKET_SLOTS, "there is such a slot");
        // SAFETY: within the memory, as just checked (see `bytes_for`), aligned, and made of atomics.
        unsafe { &*self.base.add((index + 1) * SLOT_BYTES).cast::<Slot>() }
    }

    /// A shard's slot.
    pub(super) fn shard(&self, shard: usize) -> &Slot {
        assert!(shard < self.shards, "there is such a shard");
        self.at(shard)
    }

    /// The shards' slots.
    pub(super) fn shards(&self) -> impl Iterator<Item = &Slot> {
        (0..self.shards).map(|index| self.at(index))
    }

    /// The docket's slots.
    pub(super) fn docket(&self) -> impl Iterator<Item = &Slot> {
        (0..DOCKET_SLOTS).map(|index| self.at(self.shards + index))
    }

    /// Where the signal's number goes; lives as long as `self`.
    pub(super) fn crashed(&self) -> &AtomicU32 {
        &self.header().crashed
    }
}

const fn bytes_for(shards: usize) -> usize {
    (1 + shards + DOCKET_SLOTS) * SLOT_BYTES
}

/// Opens the file for this process alone; `None` where another has it.
pub(super) fn open(path: &Path) -> io::Result<Option<File>> {
    use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
    let mut options = OpenOptions::new();
    // A link that somebody has laid in a folder for all must not be followed.
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.custom_flags(libc::O_NOFOLLOW).open(path)?;
    // SAFETY: the call reads this process's own number.
    let own = unsafe { libc::geteuid() };
    if file.metadata()?.uid() != own {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is another user's"));
    }
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(why)) => Err(why),
    }
}
