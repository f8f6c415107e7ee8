//! Plans for showing frames: snapshots whose slots are values and memory alone, as machine code leaves them.
//!
//! Showing frames to other code is what a superblock does most often besides computing, and it is always the same few stores. A plan says
//! which, so that neither the tier 2 interpreter's registers nor its frames are needed. Snapshots with virtual objects have none: these
//! are built, and may be kept by whoever looks, which [`hotspur_interp::Machine`] knows how to deal with; as it does with all that follows if frames were
//! changed or kept.

use super::frames::pointer;
use super::{Obj, cooked};
use hotspur_codegen::{Location, SnapshotInfo};
use hotspur_ir::{CodeRef, Slot, Snapshot, Type};

/// What goes into a slot.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// Null.
    Null,
    /// An object, with the superblock's own reference.
    Own(Location),
    /// The value, boxed if need be; a reference is taken for as long as the frames are shown.
    Share(Type, Location),
}

/// A slot of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Store {
    /// Among the locals, or on the stack.
    pub is_local: bool,
    /// Which one.
    pub index: u32,
    /// What goes there.
    pub source: Source,
}

/// A frame.
#[derive(Debug)]
pub(super) struct FramePlan {
    /// Its code.
    pub code: CodeRef,
    /// As in [`hotspur_ir::FrameState`].
    pub pc: u32,
    /// The function of a frame that is to be pushed.
    pub function: Option<Source>,
    /// The generator whose frame is to be linked.
    pub generator: Option<Source>,
    /// Slots that are to be written.
    pub stores: Box<[Store]>,
    /// The height of its stack.
    pub stack: u32,
}

/// How the frames of a snapshot are shown.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(super) frames: Box<[FramePlan]>,
}

/// A reference that was taken: the depth of its frame, the local if it is one, the object.
pub(crate) type Taken = (usize, Option<usize>, Obj);

impl Plan {
    /// The references that machine code has taken where it shows frames by itself: to objects that the superblock does not own.
    pub(crate) fn taken_by_code(&self, values: &[u64]) -> Vec<Taken> {
        let stores = self.frames.iter().enumerate().flat_map(|(i, f)| f.stores.iter().map(move |s| (i, s)));
        let shared = stores.filter_map(|(i, store)| match store.source {
            Source::Share(Type::Obj, at) => {
                let local = store.is_local.then_some(store.index as usize);
                Some((i, local, cooked(pointer(at, values))?))
            }
            Source::Null | Source::Own(_) | Source::Share(..) => None,
        });
        shared.collect()
    }

    /// None if the snapshot needs more than that.
    pub(crate) fn of(snapshot: &Snapshot, info: &SnapshotInfo) -> Option<Plan> {
        let source = |slot: Slot| {
            let live = |v| info.live.iter().find(|live| live.value == v);
            match slot {
                Slot::Unchanged | Slot::Virtual(_) => None,
                Slot::Null => Some(Source::Null),
                Slot::Owned(v) => live(v).filter(|l| l.ty == Type::Obj).map(|l| Source::Own(l.location)),
                Slot::Value(v) => live(v).filter(|l| l.ty != Type::Ptr).map(|l| Source::Share(l.ty, l.location)),
            }
        };
        let optional = |slot: Option<Slot>| slot.map_or(Some(None), |slot| source(slot).map(Some));
        let frames = snapshot.frames.iter().map(|frame| {
            let stores = |slots: &[Slot], is_local| {
                let changed = slots.iter().enumerate().filter(|(_, slot)| **slot != Slot::Unchanged);
                let stores = changed.map(|(i, &slot)| Some(Store { is_local, index: i as u32, source: source(slot)? }));
                stores.collect::<Option<Vec<_>>>()
            };
            let mut all = stores(&frame.locals, true)?;
            all.extend(stores(&frame.stack, false)?);
            Some(FramePlan {
                code: frame.code,
                pc: frame.pc,
                function: optional(frame.function)?,
                generator: optional(frame.generator)?,
                stores: all.into(),
                stack: frame.stack.len() as u32,
            })
        });
        Some(Plan { frames: frames.collect::<Option<Box<[_]>>>()? })
    }
}
