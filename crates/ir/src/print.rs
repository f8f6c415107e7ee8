//! The text format.
//!
//! ```text
//! superblock code0 @ 4 (v0: i64) {
//!     v1 = load_local 0, 1
//!     guard_type v1, obj0 [snap0]
//!     enter_loop [v0]
//! loop (v2: i64):
//!     v3 = const_i64 1
//!     v4 = add_i64_ovf v2, v3 [snap1]
//!     jump_loop [v4]
//! }
//! virt0 = tuple(v1, null)
//! snap0 = at
//!     code0 @ 4 locals [_, _] stack []
//! snap1 = at
//!     code0 @ 6 locals [v2, virt0] stack []
//!     code1 @ 9 function v1 locals [own v1] stack []
//! ```
//!
//! A snapshot may say how many instructions are done by then (`snap0 = at instructions 12`), and a loop how many a round is
//! (`loop (v2: i64) instructions 20:`); if they do not, it is zero.
//!
//! Fields follow the name of the op in the order of the table; lists of operands are in brackets; the snapshot is last. A
//! semicolon begins a comment that ends with the line. [`Superblock::canonical`] gives ids the numbers that printed
//! expectations have.

use crate::entities::Value;
use crate::fields::{Field, Imm};
use crate::snapshot::{FrameState, Slot, Snapshot, Virtual};
use crate::superblock::{Inst, Superblock};
use core::fmt::{self, Display, Formatter};

/// Prints items with commas between them.
struct List<'a, T>(&'a [T]);

impl<T: Display> Display for List<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, item) in self.0.iter().enumerate() {
            write!(f, "{}{item}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// Prints a number of instructions, unless there are none.
struct Instructions(u32);

impl Display for Instructions {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { Ok(()) } else { write!(f, " instructions {}", self.0) }
    }
}

impl Display for Imm {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Imm::Number(n) => n.fmt(f),
            Imm::Int(n) => n.fmt(f),
            Imm::Float(x) => x.fmt(f),
            Imm::Truth(b) => b.fmt(f),
            Imm::Object(id) => id.fmt(f),
            Imm::Code(id) => id.fmt(f),
            Imm::Executor(id) => id.fmt(f),
            Imm::Virtual(id) => id.fmt(f),
            Imm::Helper(h) => f.write_str(h.info().name),
            Imm::Cond(c) => f.write_str(c.name()),
            Imm::Moves(m) => f.write_str(m.name()),
            Imm::IntKind(k) => f.write_str(k.name()),
            Imm::FloatKind(k) => f.write_str(k.name()),
            Imm::Reason(r) => f.write_str(r.name()),
        }
    }
}

impl Display for Field {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Field::Value(v) => v.fmt(f),
            Field::Values(vs) => write!(f, "[{}]", List(vs)),
            Field::Imm(imm) => imm.fmt(f),
        }
    }
}

impl Display for Inst {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(v) = self.result {
            write!(f, "{v} = ")?;
        }
        f.write_str(self.op.info().name)?;
        for (i, field) in self.op.fields().iter().enumerate() {
            write!(f, "{} {field}", if i == 0 { "" } else { "," })?;
        }
        if let Some(s) = self.snapshot {
            write!(f, " [{s}]")?;
        }
        Ok(())
    }
}

impl Display for Slot {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Slot::Unchanged => f.write_str("_"),
            Slot::Null => f.write_str("null"),
            Slot::Value(v) => v.fmt(f),
            Slot::Owned(v) => write!(f, "own {v}"),
            Slot::Virtual(id) => id.fmt(f),
        }
    }
}

impl Display for FrameState {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} @ {} ", self.code, self.pc)?;
        if let Some(function) = self.function {
            write!(f, "function {function} ")?;
        }
        if let Some(generator) = self.generator {
            write!(f, "generator {generator} ")?;
        }
        write!(f, "locals [{}] stack [{}]", List(&self.locals), List(&self.stack))
    }
}

impl Display for Snapshot {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.resume.name(), Instructions(self.instructions))?;
        self.frames.iter().try_for_each(|frame| write!(f, "\n    {frame}"))
    }
}

impl Display for Virtual {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.kind.name(), List(&self.fields))
    }
}

impl Display for Superblock {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let params = |f: &mut Formatter<'_>, params: &[Value]| {
            f.write_str("(")?;
            for (i, &v) in params.iter().enumerate() {
                write!(f, "{}{v}: {}", if i == 0 { "" } else { ", " }, self.values[v])?;
            }
            f.write_str(")")
        };
        write!(f, "superblock {} @ {} ", self.code, self.pc)?;
        params(f, &self.params)?;
        writeln!(f, " {{")?;
        for inst in &self.prefix {
            writeln!(f, "    {inst}")?;
        }
        if let Some(body) = &self.body {
            write!(f, "loop ")?;
            params(f, &body.params)?;
            writeln!(f, "{}:", Instructions(body.instructions))?;
            for inst in &body.insts {
                writeln!(f, "    {inst}")?;
            }
        }
        writeln!(f, "}}")?;
        for (id, object) in self.virtuals.iter() {
            writeln!(f, "{id} = {object}")?;
        }
        for (id, snapshot) in self.snapshots.iter() {
            writeln!(f, "{id} = {snapshot}")?;
        }
        Ok(())
    }
}
