//! Code memory: where it comes from, who may write it, what is free.
//!
//! One range of addresses is reserved at the start, so every piece of code reaches every other with a 32-bit distance.
//! Pages get memory when they are first written. A page is executable or writable, never both: writing makes the pages
//! of one piece of code writable for as long as the copy takes, and many pieces share a page. Nobody may execute code
//! of the range meanwhile, which is the caller's business (in CPython, whoever writes holds the GIL, and whoever
//! executes does).
//!
//! Why not one memory file, mapped twice, writable here and executable there, without that rule? A shared mapping is
//! shared with the children of `fork` too: parent and child would write into each other's code. Private memory is
//! copied.

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use std::collections::BTreeMap;
use std::io;

/// Pieces of code begin at multiples of this.
const ALIGNMENT: usize = 16;
/// What pages are rounded to.
const PAGE: usize = 4096;

/// How much code memory there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Statistics {
    /// The limit, in bytes.
    pub capacity: usize,
    /// Bytes in use.
    pub used: usize,
    /// The most that was in use at a time.
    pub peak: usize,
    /// Pieces of code in use.
    pub pieces: usize,
}

/// The memory.
#[derive(Debug)]
pub(crate) struct Arena {
    base: *mut u8,
    /// Ranges that are free: offset and length. No two are adjacent.
    free: BTreeMap<usize, usize>,
    statistics: Statistics,
}

/// The length that a piece takes.
fn rounded(len: usize) -> usize {
    len.max(1).next_multiple_of(ALIGNMENT)
}

impl Arena {
    /// Reserves addresses for so many bytes, near the address if that is possible.
    pub(crate) fn new(limit: usize, near: usize) -> io::Result<Arena> {
        let capacity = limit.max(1).next_multiple_of(PAGE);
        let reserve = |hint: usize| {
            let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
            // SAFETY: without MAP_FIXED, the kernel takes addresses that nobody uses; the hint is not dereferenced.
            unsafe { mmap_anonymous(std::ptr::without_provenance_mut(hint), capacity, ProtFlags::empty(), flags) }
        };
        let mut base = reserve(0)?.cast::<u8>();
        let distance = |base: *mut u8| near.abs_diff(base.addr()).max(near.abs_diff(base.addr() + capacity));
        for step in 1..=8_usize {
            if distance(base) < (1 << 31) {
                break;
            }
            let hint = (near & !(PAGE - 1)).wrapping_sub(step * (128 << 20) + capacity);
            if let Ok(other) = reserve(hint) {
                let unwanted = if distance(other.cast()) < distance(base) {
                    std::mem::replace(&mut base, other.cast())
                } else {
                    other.cast()
                };
                // SAFETY: it was mapped above with this length, and nothing is in it.
                unsafe { munmap(unwanted.cast(), capacity) }?;
            }
        }
        let statistics = Statistics { capacity, ..Statistics::default() };
        Ok(Arena { base, free: BTreeMap::from([(0, capacity)]), statistics })
    }

    /// The address at an offset.
    pub(crate) fn address(&self, offset: usize) -> *const u8 {
        self.base.wrapping_add(offset)
    }

    /// Takes the smallest free range that is large enough; none if there is none.
    pub(crate) fn allocate(&mut self, len: usize) -> Option<usize> {
        let len = rounded(len);
        let (&offset, &found) = self.free.iter().filter(|&(_, &n)| n >= len).min_by_key(|&(_, &n)| n)?;
        self.free.remove(&offset);
        if found > len {
            self.free.insert(offset + len, found - len);
        }
        self.statistics.used += len;
        self.statistics.peak = self.statistics.peak.max(self.statistics.used);
        self.statistics.pieces += 1;
        Some(offset)
    }

    /// Gives a range back, which joins its neighbours.
    pub(crate) fn release(&mut self, offset: usize, len: usize) {
        let mut len = rounded(len);
        let mut start = offset;
        self.statistics.used -= len;
        self.statistics.pieces -= 1;
        if let Some((&before, &n)) = self.free.range(..offset).next_back()
            && before + n == offset
        {
            start = before;
            len += n;
        }
        if let Some(n) = self.free.remove(&(start + len)) {
            len += n;
        }
        self.free.insert(start, len);
    }

    /// Writes code into a range that was allocated.
    ///
    /// # Safety
    /// Nobody executes code of the arena meanwhile.
    pub(crate) unsafe fn write(&mut self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        assert!(offset + bytes.len() <= self.statistics.capacity, "a range of the arena");
        let first = offset & !(PAGE - 1);
        let pages = (offset + bytes.len()).next_multiple_of(PAGE) - first;
        let start = self.base.wrapping_add(first).cast();
        // SAFETY: the pages are the arena's own; nobody executes them, says the caller; and the range is the arena's,
        // so nobody holds a reference into it.
        unsafe {
            mprotect(start, pages, MprotectFlags::READ | MprotectFlags::WRITE)?;
            self.base.add(offset).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            mprotect(start, pages, MprotectFlags::READ | MprotectFlags::EXEC)?;
        }
        Ok(())
    }

    /// How much there is.
    pub(crate) fn statistics(&self) -> Statistics {
        self.statistics
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length; code in it is not used any more (contract of `CodeSpace`).
        let unmapped = unsafe { munmap(self.base.cast(), self.statistics.capacity) };
        debug_assert!(unmapped.is_ok());
    }
}

// SAFETY: the arena is the only owner of its memory, and changes it through `&mut self` only.
unsafe impl Send for Arena {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_reused_and_joined() {
        let mut arena = Arena::new(PAGE, 0).expect("memory");
        let [a, b, c] = [100, 200, 300].map(|n| arena.allocate(n).expect("room"));
        assert_eq!([a, b, c], [0, 112, 320]);
        assert_eq!(arena.statistics().used, 112 + 208 + 304);
        arena.release(a, 100);
        arena.release(c, 300);
        assert_eq!(arena.allocate(110), Some(0));
        arena.release(0, 110);
        arena.release(b, 200);
        assert_eq!(arena.free, BTreeMap::from([(0, PAGE)]));
        assert_eq!(arena.allocate(PAGE), Some(0));
        assert_eq!(arena.allocate(1), None);
        let Statistics { capacity, used, peak, pieces } = arena.statistics();
        assert_eq!((capacity, used, peak, pieces), (PAGE, PAGE, PAGE, 1));
    }

    #[test]
    fn code_is_near_when_that_is_possible() {
        let near = ranges_are_reused_and_joined as *const () as usize;
        let arena = Arena::new(1 << 20, near).expect("memory");
        assert!(near.abs_diff(arena.base.addr()) < 1 << 31);
    }
}
