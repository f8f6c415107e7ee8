//! Building superblocks: one method for each op of the table.

use crate::elements::{FloatKind, IntKind};
use crate::entities::{CodeRef, ExecutorRef, ObjRef, SnapshotId, Value, VirtualId};
use crate::fields::{FieldType, field_type};
use crate::helpers::Helper;
use crate::ops::Op;
use crate::reasons::ExitReason;
use crate::snapshot::{Snapshot, Virtual};
use crate::superblock::{Inst, LoopBody, Superblock};
use crate::table::for_each_op;
use crate::types::{Cond, Float, Moves, Type};

/// Builds a superblock from its entry to its end.
///
/// The methods named after ops append that op. Ops that need a snapshot name the one given to [`Builder::set_snapshot`] last,
/// so a recorder sets it once for each instruction. The builder checks nothing: see [`verify`](crate::verify::verify).
#[derive(Debug)]
pub struct Builder {
    superblock: Superblock,
    snapshot: Option<SnapshotId>,
}

impl Builder {
    /// Begins a superblock at an instruction.
    pub fn new(code: CodeRef, pc: u32) -> Builder {
        Builder { superblock: Superblock::new(code, pc), snapshot: None }
    }

    /// Adds a parameter: of the superblock, or once the loop was begun, of the loop.
    pub fn param(&mut self, ty: Type) -> Value {
        let v = self.superblock.values.push(ty);
        match &mut self.superblock.body {
            None => self.superblock.params.push(v),
            Some(body) => body.params.push(v),
        }
        v
    }

    /// Begins the loop. `enter_loop` must have ended the prefix.
    pub fn begin_loop(&mut self) {
        self.superblock.body = Some(LoopBody::default());
    }

    /// Adds a snapshot and makes it the one that ops name.
    pub fn snapshot(&mut self, snapshot: Snapshot) -> SnapshotId {
        let id = self.superblock.snapshots.push(snapshot);
        self.snapshot = Some(id);
        id
    }

    /// Makes a snapshot the one that ops name.
    pub fn set_snapshot(&mut self, id: SnapshotId) {
        self.snapshot = Some(id);
    }

    /// Adds a virtual object.
    pub fn virtual_object(&mut self, object: Virtual) -> VirtualId {
        self.superblock.virtuals.push(object)
    }

    /// Appends an op, with the current snapshot if it needs one.
    pub fn push(&mut self, op: Op) -> Option<Value> {
        let result = op.result().ty().map(|ty| self.superblock.values.push(ty));
        let snapshot = if op.effects().needs_snapshot() { self.snapshot } else { None };
        let insts = match &mut self.superblock.body {
            None => &mut self.superblock.prefix,
            Some(body) => &mut body.insts,
        };
        insts.push(Inst { op, result, snapshot });
        result
    }

    /// What was built so far.
    pub fn superblock(&self) -> &Superblock {
        &self.superblock
    }

    /// The superblock.
    pub fn finish(self) -> Superblock {
        self.superblock
    }
}

/// What a builder method returns, and how to get it from what [`Builder::push`] returns.
macro_rules! returned {
    (type None) => { () };
    (type OfHelper) => { Option<Value> };
    (type $other:ident) => { Value };
    ($result:expr, None) => {{
        let _: Option<Value> = $result;
    }};
    ($result:expr, OfHelper) => { $result };
    ($result:expr, $other:ident) => { $result.expect("the table gives this op a result") };
}

macro_rules! define_methods {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:ident($($field:ident: $kind:ident),*) -> $result:ident,
        $($effect:ident($($e:expr),*)).* $(, computes($meaning:expr))?;)*) => {
        /// One method for each op.
        #[allow(clippy::unused_unit, reason = "right for other rows of the table")]
        impl Builder {
            $($(#[doc = $doc])+
            pub fn $name(&mut self $(, $field: <field_type!($kind) as FieldType>::Param<'_>)*) -> returned!(type $result) {
                returned!(self.push(Op::$variant { $($field: FieldType::from_param($field)),* }), $result)
            })*
        }
    };
}

for_each_op!(define_methods);
