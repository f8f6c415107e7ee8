//! The state of the interpreter, its results, and its main loop.

use crate::runtime::{Content, Frame, Runtime};
use cranelift_entity::{EntityRef, SecondaryMap};
use hotspur_ir::{ExecutorRef, Exit, ExitId, ExitReason, Moves, Resume, Superblock, Type, Value, VirtualId};
use std::collections::{BTreeMap, HashMap};

/// What a value is at run time.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Register<O> {
    /// An object, or null.
    Obj(Option<O>),
    /// An integer.
    I64(i64),
    /// A double.
    F64(f64),
    /// A truth value.
    Bool(bool),
    /// An address.
    Ptr(u64),
}

impl<O> Register<O> {
    /// The type of the value.
    pub const fn ty(&self) -> Type {
        match self {
            Register::Obj(_) => Type::Obj,
            Register::I64(_) => Type::I64,
            Register::F64(_) => Type::F64,
            Register::Bool(_) => Type::Bool,
            Register::Ptr(_) => Type::Ptr,
        }
    }
}

/// How a superblock was left, besides the frames.
#[derive(Clone, PartialEq, Debug)]
pub enum Leave<O> {
    /// To tier 1, as the snapshot says, or where tier 1 has landed.
    Side,
    /// To tier 1, at this position of the top frame.
    Dynamic(i64),
    /// To another executor, with these arguments.
    Link(ExecutorRef, Vec<Register<O>>),
    /// To a bridge, a superblock that takes over with these values (those of [`Superblock::live`]). No frame was written.
    Bridge(Vec<Register<O>>),
}

/// The result of running a superblock. The frames have been written to memory, unless it resumes where tier 1 has landed.
#[derive(Clone, PartialEq, Debug)]
pub struct Outcome<O> {
    /// The exit that was taken.
    pub exit: ExitId,
    /// Why.
    pub reason: ExitReason,
    /// Where to.
    pub leave: Leave<O>,
    /// What the top frame does next.
    pub resume: Resume,
    /// The frames that were written.
    pub frames: Vec<Frame<O>>,
    /// How many ops were executed.
    pub executed: u64,
    /// How many times the loop went round completely.
    pub rounds: u64,
}

/// A superblock did what superblocks must not: whoever made it has a bug.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The op as text.
    pub place: String,
    /// What is wrong.
    pub message: String,
}

impl core::fmt::Display for Violation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}, in `{}`", self.message, self.place)
    }
}

impl std::error::Error for Violation {}

/// An error message that has no place yet.
pub type Checked<T> = Result<T, String>;

/// What an op does to control.
pub(crate) enum Flow<O> {
    /// The next op is executed.
    Next,
    /// The superblock is left.
    Exit(Leave<O>),
    /// The loop is entered, or goes round.
    Loop(Vec<Register<O>>),
}

/// The state of an execution: values, and what other code did while it looked at frames. Public for engines that do not
/// interpret ops, but make frames from snapshots in the same way.
#[derive(Debug)]
pub struct Machine<'a, R: Runtime> {
    pub(crate) sb: &'a Superblock,
    pub(crate) rt: &'a mut R,
    pub(crate) registers: SecondaryMap<Value, Option<Register<R::Obj>>>,
    /// Locals (frame, index) that other code changed, with what they hold; the references are ours.
    pub(crate) changed: BTreeMap<(usize, usize), Option<R::Obj>>,
    /// Where the instruction that tier 1 executed last is expected to lead.
    pub(crate) executed: Option<Moves>,
    /// Virtual objects that were built for publishing, and that someone kept: one reference each is ours.
    pub(crate) kept: HashMap<VirtualId, R::Obj>,
    /// References that were taken for publishing, and that the frames which stay need until the exit writes them anew.
    pub(crate) deferred: Vec<R::Obj>,
    /// Memory for frames that are made from snapshots.
    pub(crate) spare_frames: Vec<Frame<R::Obj>>,
    /// Memory for their locals and stacks.
    pub(crate) spare_slots: Vec<Slots<R::Obj>>,
}

/// What locals, and items of the stack, are to be.
type Slots<O> = (Vec<Content<O>>, Vec<Content<O>>);

/// Executes a superblock. At most `fuel` ops are executed: a test must end.
///
/// # Errors
/// The superblock is malformed or has run out of fuel. References may have leaked.
pub fn run<R: Runtime>(
    sb: &Superblock,
    rt: &mut R,
    args: &[Register<R::Obj>],
    fuel: u64,
) -> Result<Outcome<R::Obj>, Violation> {
    run_to_bridges(sb, rt, args, fuel, &|_| false)
}

/// As [`run`], where some exits lead to bridges: `leads` says which.
///
/// # Errors
/// As for [`run`].
pub fn run_to_bridges<R: Runtime>(
    sb: &Superblock,
    rt: &mut R,
    args: &[Register<R::Obj>],
    mut fuel: u64,
    leads: &dyn Fn(ExitId) -> bool,
) -> Result<Outcome<R::Obj>, Violation> {
    let mut m = Machine::new(sb, rt);
    let given = fuel;
    let mut rounds = 0;
    let at = |place: String| move |message: String| Violation { place, message };
    m.assign(&sb.params, args.to_vec()).map_err(at("superblock".into()))?;
    let (mut insts, mut first_exit) = (&sb.prefix, 0);
    loop {
        let mut exit = first_exit;
        let mut flow = Flow::Next;
        for inst in insts {
            fuel = fuel.checked_sub(1).ok_or_else(|| at(inst.to_string())("out of fuel".into()))?;
            flow = m.step(inst).map_err(|message| at(inst.to_string())(message))?;
            match flow {
                Flow::Next => exit += usize::from(inst.op.exit_reason().is_some()),
                Flow::Exit(leave) => {
                    let taken = inst.snapshot.zip(inst.op.exit_reason());
                    let taken = taken.map(|(snapshot, reason)| Exit { id: ExitId::new(exit), snapshot, reason });
                    let taken = taken.ok_or_else(|| at(inst.to_string())("the op cannot exit".into()))?;
                    let is_quiet = m.changed.is_empty() && m.kept.is_empty();
                    let outcome = if leave == Leave::Side && is_quiet && leads(taken.id) {
                        m.leave_to_bridge(taken)
                    } else {
                        m.leave_by(taken, leave)
                    };
                    let outcome = outcome.map_err(|message| at(inst.to_string())(message))?;
                    return Ok(Outcome { executed: given - fuel, rounds, ..outcome });
                }
                Flow::Loop(_) => break,
            }
        }
        let (Flow::Loop(args), Some(body)) = (flow, &sb.body) else {
            return Err(at("superblock".into())("control falls off the end".into()));
        };
        m.assign(&body.params, args).map_err(at("loop".into()))?;
        rounds += u64::from(std::ptr::eq(insts, &body.insts));
        insts = &body.insts;
        first_exit = sb.prefix.iter().filter(|i| i.op.exit_reason().is_some()).count();
    }
}

impl<'a, R: Runtime> Machine<'a, R> {
    /// The state before anything is executed.
    pub fn new(sb: &'a Superblock, rt: &'a mut R) -> Machine<'a, R> {
        let (registers, changed) = (SecondaryMap::new(), BTreeMap::new());
        let (spare_frames, spare_slots) = (Vec::new(), Vec::new());
        let (kept, deferred) = (HashMap::new(), Vec::new());
        Machine { sb, rt, registers, changed, executed: None, kept, deferred, spare_frames, spare_slots }
    }

    /// Turns to another superblock, or an execution of its own of the same. The previous one was left. For who defines whatever the
    /// snapshots name that are used: values that were defined before may stay defined.
    pub fn turn_to(&mut self, sb: &'a Superblock) {
        if cfg!(debug_assertions) {
            self.registers.clear();
        }
        self.sb = sb;
        self.changed.clear();
        self.executed = None;
    }

    /// The superblock.
    pub fn superblock(&self) -> &'a Superblock {
        self.sb
    }

    /// The runtime.
    pub fn runtime(&mut self) -> &mut R {
        self.rt
    }

    fn assign(&mut self, params: &[Value], args: Vec<Register<R::Obj>>) -> Checked<()> {
        if params.len() != args.len() {
            return Err(format!("{} parameters, and {} arguments", params.len(), args.len()));
        }
        params.iter().zip(args).try_for_each(|(&v, register)| self.set(v, register))
    }

    /// The value.
    ///
    /// # Errors
    /// It is not defined yet.
    pub fn get(&self, v: Value) -> Checked<Register<R::Obj>> {
        self.registers[v].ok_or_else(|| format!("{v} is not defined"))
    }

    /// Defines a value.
    ///
    /// # Errors
    /// It has another type.
    pub fn set(&mut self, v: Value, register: Register<R::Obj>) -> Checked<()> {
        let (is, wanted) = (register.ty(), self.sb.values[v]);
        if is != wanted {
            return Err(format!("{v} becomes {is}, and its type is {wanted}"));
        }
        self.registers[v] = Some(register);
        Ok(())
    }
}
