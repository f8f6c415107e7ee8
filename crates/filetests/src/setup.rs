//! What a test file says before the superblock: what to do, objects of the toy heap, runs.
//!
//! ```text
//! object obj0 = type Point 3                      name, version (1 if left out)
//! object obj1 = int 5                             also: none, bool true, float 1.5, str abc
//! object obj2 = list [obj1, null]                 also: tuple, slice, method, cell
//! object obj3 = instance obj0 [obj1, null] slots [obj1] finalizer raise
//! object obj4 = instance obj0 dict                without inline values
//! object obj5 = dict 3 4 [obj1]                   version, version of the keys, values
//! object obj6 = module obj5
//! object obj7 = function 9 return obj1            version, action
//! object obj8 = list_iter obj2 0                  also: tuple_iter obj 0, range_iter next step left
//! object obj10 = array d [1.5, 2.0]                typecode, elements; also: range start stop step
//! object obj9 = generator code3 7 [obj1, null]    position, locals and stack; suspended, or: code3 7 running [..]
//! object obj9 = temporary list []                 no constant: owned by the frame, in runs whose frame names it
//! run locals [obj1, null] stack [] args [5, 1.5, true, obj1] periods 3 frames 2 fuel 100
//!     namespaces [obj5, obj5]
//!     script [stays 4 [obj1], stores 4 [] 0 obj1, acts 4 [] invalidate, calls code1 [obj1], returns 6 [null], raises]
//! ```
//!
//! Actions: `return obj`, `raise`, `set_local frame index obj`, `keep_local frame index`, `invalidate`. In a run,
//! everything may be left out; `periods` is how often `check_periodic` passes, `frames` how many frames there may be,
//! `namespaces` globals and builtins, `script` what the instructions do that `execute` names, in the order in which they
//! are executed (see [`Step`]). `below obj9 code4 3 [obj1] [obj2]` makes the frame that of a generator, on top of another (position, locals,
//! stack). With `wide`, all ints count as compact; with `kept`, somebody has objects of the frames; with `tracked`, new coroutines are to be
//! told where they are made.

use hotspur_interp::Register;
use hotspur_interp::toy::{Action, Generator, Kind, Step, Toy, ToyFrame, ToyRef};
use hotspur_ir::{CodeRef, ElementKind, ObjRef};
use hotspur_reader::{ParseError, Parser, Token};

/// What to do with the superblock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// Print it.
    Print,
    /// Verify it.
    Verify,
    /// Run it.
    Interp {
        /// Whether the verifier must accept it first.
        verified: bool,
    },
}

/// An argument of a run.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Arg {
    Object(Option<ObjRef>),
    Int(i64),
    Float(f64),
    Truth(bool),
}

/// A run.
#[derive(Clone, PartialEq, Debug)]
pub struct Run {
    locals: Vec<Option<ObjRef>>,
    stack: Vec<Option<ObjRef>>,
    args: Vec<Arg>,
    periods: u64,
    namespaces: Vec<Option<ObjRef>>,
    frames: usize,
    script: Vec<Step>,
    wide: bool,
    kept: bool,
    tracked: bool,
    below: Option<Below>,
    /// How many ops are executed at most.
    pub fuel: u64,
}

/// The frame begins as that of a generator, on top of this one.
#[derive(Clone, PartialEq, Debug)]
struct Below {
    generator: ObjRef,
    code: CodeRef,
    pc: u32,
    locals: Vec<Option<ObjRef>>,
    stack: Vec<Option<ObjRef>>,
}

/// An object with references by name, so that each run can make its own.
#[derive(Clone, PartialEq, Debug)]
enum Object {
    /// One that refers to no other.
    Simple(Kind),
    Items(String, Vec<Option<ObjRef>>),
    Instance {
        class: ObjRef,
        inline: Option<Vec<Option<ObjRef>>>,
        slots: Vec<Option<ObjRef>>,
        finalizer: Option<Action>,
    },
    Dict {
        version: u32,
        keys: u32,
        values: Vec<Option<ObjRef>>,
    },
    Module(ObjRef),
    Iter(String, ObjRef, i64),
    Generator {
        code: CodeRef,
        pc: u32,
        slots: Vec<Option<ObjRef>>,
        state: i8,
    },
}

/// What a file says before the superblock.
#[derive(Clone, PartialEq, Debug)]
pub struct Setup {
    /// What to do.
    pub command: Command,
    /// The runs.
    pub runs: Vec<Run>,
    objects: Vec<(ObjRef, Object)>,
    temporary: Vec<ObjRef>,
}

type Result<T, E = ParseError> = core::result::Result<T, E>;

fn word(p: &mut Parser<'_>) -> Result<String> {
    p.name("a word", |n| Some(n.to_owned()))
}

fn int(p: &mut Parser<'_>) -> Result<i64> {
    p.number("an integer", |s| s.parse().ok())
}

fn nullable(p: &mut Parser<'_>) -> Result<Option<ObjRef>> {
    if p.eat_name("null") { Ok(None) } else { p.id("obj").map(Some) }
}

fn nullables(p: &mut Parser<'_>) -> Result<Vec<Option<ObjRef>>> {
    p.expect('[')?;
    p.list(']', nullable)
}

fn action(p: &mut Parser<'_>) -> Result<Action> {
    let error = p.lexer.error("expected an action");
    Ok(match word(p)?.as_str() {
        "return" => Action::Return(p.id("obj")?),
        "raise" => Action::Raise,
        "set_local" => Action::SetLocal(p.small()? as usize, p.small()? as usize, p.id("obj")?),
        "keep_local" => Action::KeepLocal(p.small()? as usize, p.small()? as usize),
        "invalidate" => Action::Invalidate,
        _ => return Err(error),
    })
}

fn object(p: &mut Parser<'_>) -> Result<Object> {
    let error = p.lexer.error("expected an object");
    let kind = word(p)?;
    Ok(match kind.as_str() {
        "type" => {
            let name = word(p)?;
            let version = if matches!(p.lexer.peek(), Token::Number(_)) { p.small()? } else { 1 };
            Object::Simple(Kind::Type { name, version })
        }
        "none" => Object::Simple(Kind::None),
        "bool" => Object::Simple(Kind::Bool(word(p)? == "true")),
        "int" => Object::Simple(Kind::Int(int(p)?)),
        "float" => Object::Simple(Kind::Float(p.float()?.get())),
        "str" => Object::Simple(Kind::Str(word(p)?)),
        "list" | "tuple" | "slice" | "method" | "cell" => Object::Items(kind, nullables(p)?),
        "instance" => {
            let class = p.id("obj")?;
            let inline = if p.eat_name("dict") { None } else { Some(nullables(p)?) };
            let slots = if p.eat_name("slots") { nullables(p)? } else { Vec::new() };
            let finalizer = if p.eat_name("finalizer") { Some(action(p)?) } else { None };
            Object::Instance { class, inline, slots, finalizer }
        }
        "dict" => Object::Dict { version: p.small()?, keys: p.small()?, values: nullables(p)? },
        "module" => Object::Module(p.id("obj")?),
        "function" => Object::Simple(Kind::Function { version: p.small()?, action: action(p)? }),
        "list_iter" | "tuple_iter" => Object::Iter(kind, p.id("obj")?, int(p)?),
        "range" => Object::Simple(Kind::Range([int(p)?, int(p)?, int(p)?])),
        "array" => array(p)?,
        "generator" => {
            let (code, pc) = (p.id("code")?, p.small()?);
            let state = if p.eat_name("running") { 0 } else { -2 };
            Object::Generator { code, pc, state, slots: nullables(p)? }
        }
        "range_iter" => Object::Simple(Kind::RangeIter { next: int(p)?, step: int(p)?, left: int(p)? }),
        _ => return Err(error),
    })
}

fn array(p: &mut Parser<'_>) -> Result<Object> {
    let error = p.lexer.error("expected a typecode");
    let name = word(p)?;
    let &[typecode] = name.as_bytes() else { return Err(error) };
    p.expect('[')?;
    let elements = match ElementKind::of_typecode(typecode).ok_or(error)? {
        ElementKind::Int(kind) => p.list(']', |p| int(p).map(|n| kind.bits(n)))?,
        ElementKind::Float(kind) => p.list(']', |p| p.float().map(|x| kind.bits(x.get())))?,
    };
    Ok(Object::Simple(Kind::Array { typecode, elements }))
}

fn arg(p: &mut Parser<'_>) -> Result<Arg> {
    Ok(match p.lexer.peek() {
        Token::Name("true" | "false") => Arg::Truth(word(p)? == "true"),
        Token::Number(text) if text.contains('.') => Arg::Float(p.float()?.get()),
        Token::Number(_) => Arg::Int(int(p)?),
        Token::Name("f64") => Arg::Float(p.float()?.get()),
        Token::Name(_) | Token::Symbol(_) | Token::End => Arg::Object(nullable(p)?),
    })
}

fn step(p: &mut Parser<'_>) -> Result<Step> {
    let error = p.lexer.error("expected a step");
    Ok(match word(p)?.as_str() {
        "stays" => Step::Stays(p.small()?, nullables(p)?),
        "stores" => Step::Stores(p.small()?, nullables(p)?, p.small()? as usize, nullable(p)?),
        "acts" => Step::Acts(p.small()?, nullables(p)?, action(p)?),
        "calls" => Step::Calls(p.id("code")?, nullables(p)?),
        "returns" => Step::Returns(p.small()?, nullables(p)?),
        "unwinds" => Step::Unwinds(p.small()?, nullables(p)?),
        "raises" => Step::Raises,
        _ => return Err(error),
    })
}

fn one_run(p: &mut Parser<'_>) -> Result<Run> {
    let (locals, stack, args) = (Vec::new(), Vec::new(), Vec::new());
    let mut run = Run {
        locals,
        stack,
        args,
        periods: u64::MAX,
        namespaces: Vec::new(),
        frames: 10,
        script: Vec::new(),
        wide: false,
        kept: false,
        tracked: false,
        below: None,
        fuel: 1000,
    };
    loop {
        if p.eat_name("locals") {
            run.locals = nullables(p)?;
        } else if p.eat_name("stack") {
            run.stack = nullables(p)?;
        } else if p.eat_name("args") {
            p.expect('[')?;
            run.args = p.list(']', arg)?;
        } else if p.eat_name("periods") {
            run.periods = p.small()?.into();
        } else if p.eat_name("namespaces") {
            run.namespaces = nullables(p)?;
        } else if p.eat_name("frames") {
            run.frames = p.small()? as usize;
        } else if p.eat_name("script") {
            p.expect('[')?;
            run.script = p.list(']', step)?;
        } else if p.eat_name("wide") {
            run.wide = true;
        } else if p.eat_name("kept") {
            run.kept = true;
        } else if p.eat_name("below") {
            let generator = p.id("obj")?;
            let (code, pc) = (p.id("code")?, p.small()?);
            run.below = Some(Below { generator, code, pc, locals: nullables(p)?, stack: nullables(p)? });
        } else if p.eat_name("tracked") {
            run.tracked = true;
        } else if p.eat_name("fuel") {
            run.fuel = p.small()?.into();
        } else {
            return Ok(run);
        }
    }
}

impl Setup {
    /// Reads everything before the superblock.
    ///
    /// # Errors
    /// The first place where the text is not as it should be.
    pub fn parse(p: &mut Parser<'_>) -> Result<Setup> {
        p.name("`test`", |n| (n == "test").then_some(()))?;
        let command = p.name("`print`, `verify` or `interp`", |n| match n {
            "print" => Some(Command::Print),
            "verify" => Some(Command::Verify),
            "interp" => Some(Command::Interp { verified: true }),
            _ => None,
        })?;
        let command = if p.eat_name("unverified") { Command::Interp { verified: false } } else { command };
        let mut setup = Setup { command, runs: Vec::new(), objects: Vec::new(), temporary: Vec::new() };
        loop {
            if p.eat_name("object") {
                let name = p.id("obj")?;
                p.expect('=')?;
                if p.eat_name("temporary") {
                    setup.temporary.push(name);
                }
                setup.objects.push((name, object(p)?));
            } else if p.eat_name("run") {
                setup.runs.push(one_run(p)?);
            } else {
                return Ok(setup);
            }
        }
    }

    /// Fills the heap and the frame for a run. The answer: the superblock's arguments.
    ///
    /// # Errors
    /// An object that was not defined before.
    pub fn prepare(&self, run: &Run, toy: &mut Toy, code: CodeRef, pc: u32) -> Result<Vec<Register<ToyRef>>, String> {
        let new = |toy: &mut Toy, name: ObjRef| toy.reference(name).ok_or(format!("{name} was not defined"));
        let all = |toy: &mut Toy, names: &[Option<ObjRef>]| {
            names.iter().map(|n| n.map(|n| new(toy, n)).transpose()).collect::<Result<Vec<_>, String>>()
        };
        let is_there = |name: &ObjRef| {
            !self.temporary.contains(name) || run.locals.iter().chain(&run.stack).any(|n| *n == Some(*name))
        };
        for (name, object) in self.objects.iter().filter(|(name, _)| is_there(name)) {
            let kind = match object {
                Object::Simple(kind) => kind.clone(),
                Object::Items(kind, items) => {
                    let items = all(toy, items)?;
                    let at = |i: usize| items.get(i).copied().flatten();
                    match kind.as_str() {
                        "list" => Kind::List(items),
                        "tuple" => Kind::Tuple(items),
                        "slice" => Kind::Slice([at(0), at(1), at(2)]),
                        "method" => Kind::Method([at(0), at(1)]),
                        _ => Kind::Cell(at(0)),
                    }
                }
                Object::Instance { class, inline, slots, finalizer } => {
                    let inline = inline.as_ref().map(|i| all(toy, i)).transpose()?;
                    let (class, slots) = (new(toy, *class)?, all(toy, slots)?);
                    Kind::Instance { class, inline, slots, finalizer: *finalizer }
                }
                Object::Dict { version, keys, values } => {
                    Kind::Dict { version: *version, keys: *keys, values: all(toy, values)? }
                }
                Object::Generator { code, pc, slots, state } => {
                    let slots = all(toy, slots)?;
                    Kind::Generator(Generator { code: *code, pc: *pc, function: None, state: *state, slots })
                }
                Object::Module(dict) => Kind::Module(Some(new(toy, *dict)?)),
                Object::Iter(kind, sequence, index) => {
                    let sequence = Some(new(toy, *sequence)?);
                    if kind == "list_iter" {
                        Kind::ListIter(sequence, *index)
                    } else {
                        Kind::TupleIter(sequence, *index)
                    }
                }
            };
            toy.define(*name, kind);
        }
        let (locals, stack) = (all(toy, &run.locals)?, all(toy, &run.stack)?);
        toy.enter(code, pc, locals, stack);
        self.temporary.iter().for_each(|&name| toy.forget(name));
        toy.periods = run.periods;
        for (i, &name) in run.namespaces.iter().enumerate().take(2) {
            toy.namespaces[i] = name.and_then(|name| toy.constant(name));
        }
        toy.max_frames = run.frames;
        toy.all_compact = run.wide;
        toy.frames_kept = run.kept;
        toy.tracked = run.tracked;
        if let Some(Below { generator, code, pc, locals, stack }) = &run.below {
            let (locals, stack) = (all(toy, locals)?, all(toy, stack)?);
            let below = ToyFrame { code: *code, pc: *pc, function: None, locals, stack, generator: None };
            let generator = toy.constant(*generator).ok_or(format!("{generator} was not defined"))?;
            toy.enter_generator(generator, below);
        }
        toy.script.clone_from(&run.script);
        let arg = |a: &Arg| match *a {
            Arg::Object(name) => Register::Obj(name.and_then(|n| toy.constant(n))),
            Arg::Int(n) => Register::I64(n),
            Arg::Float(x) => Register::F64(x),
            Arg::Truth(b) => Register::Bool(b),
        };
        Ok(run.args.iter().map(arg).collect())
    }
}
