use hotspur_ir::{Facts, Superblock};
pub(crate) fn refcount(sb: Superblock, _facts: &dyn Facts) -> Superblock { sb }
