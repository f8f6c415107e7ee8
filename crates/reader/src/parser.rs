//! Tokens into a superblock.

use crate::{Lexer, ParseError, Token};
use cranelift_entity::{EntityRef, PrimaryMap};
use hotspur_ir::{
    Cond, ExitReason, Field, FieldKind, Float, FloatKind, FrameState, Helper, Imm, Inst, IntKind, LoopBody, Moves,
    Opcode, Resume, Slot, Snapshot, Superblock, Type, Value, Virtual, VirtualKind,
};
use std::collections::BTreeMap;

/// Reads one superblock.
///
/// # Errors
/// The first place where the text is not as it should be.
pub fn parse(text: &str) -> Result<Superblock, ParseError> {
    let mut parser = Parser::new(text);
    let sb = parser.superblock()?;
    match parser.lexer.peek() {
        Token::End => Ok(sb),
        _ => Err(parser.lexer.error("expected the end")),
    }
}

type Result<T, E = ParseError> = core::result::Result<T, E>;

/// A parser in the middle of a text.
#[derive(Debug)]
pub struct Parser<'a> {
    /// What is still to be read.
    pub lexer: Lexer<'a>,
    types: BTreeMap<Value, Type>,
    used: BTreeMap<Value, usize>,
}

impl<'a> Parser<'a> {
    /// A parser at the beginning of a text.
    pub fn new(text: &'a str) -> Parser<'a> {
        Parser { lexer: Lexer::new(text), types: BTreeMap::new(), used: BTreeMap::new() }
    }

    // -- tokens -----------------------------------------------------------------------------------------------------------

    /// Takes the symbol if it is next.
    pub fn eat(&mut self, symbol: char) -> bool {
        let is = self.lexer.peek() == Token::Symbol(symbol);
        if is {
            self.lexer.next_token();
        }
        is
    }

    /// Takes the symbol, which must be next.
    pub fn expect(&mut self, symbol: char) -> Result<()> {
        if self.eat(symbol) { Ok(()) } else { Err(self.lexer.error(format!("expected `{symbol}`"))) }
    }

    /// Takes the name if it is next.
    pub fn eat_name(&mut self, name: &str) -> bool {
        let is = self.lexer.peek() == Token::Name(name);
        if is {
            self.lexer.next_token();
        }
        is
    }

    /// Takes a name for which `f` has a meaning.
    pub fn name<T>(&mut self, what: &str, f: impl FnOnce(&'a str) -> Option<T>) -> Result<T> {
        let Token::Name(name) = self.lexer.peek() else { return Err(self.lexer.error(format!("expected {what}"))) };
        let Some(meaning) = f(name) else { return Err(self.lexer.error(format!("`{name}` is not {what}"))) };
        self.lexer.next_token();
        Ok(meaning)
    }

    /// Takes a number for which `f` has a meaning.
    pub fn number<T>(&mut self, what: &str, f: impl FnOnce(&'a str) -> Option<T>) -> Result<T> {
        let Token::Number(text) = self.lexer.peek() else { return Err(self.lexer.error(format!("expected {what}"))) };
        let Some(number) = f(text) else { return Err(self.lexer.error(format!("`{text}` is not {what}"))) };
        self.lexer.next_token();
        Ok(number)
    }

    /// Takes a number that is an id, index, offset or the like.
    pub fn small(&mut self) -> Result<u32> {
        self.number("a number", |s| s.parse().ok())
    }

    /// Takes a double.
    pub fn float(&mut self) -> Result<Float> {
        if self.eat_name("f64") {
            self.expect(':')?;
            return self.number("bits", |s| u64::from_str_radix(s.strip_prefix("0x")?, 16).ok().map(Float::from_bits));
        }
        self.number("a double", |s| s.parse::<f64>().ok().map(Float::from))
    }

    /// Takes an id that is written as this prefix and a number.
    pub fn id<T: EntityRef>(&mut self, prefix: &str) -> Result<T> {
        self.name(&format!("`{prefix}` and a number"), |name| {
            let number: u32 = name.strip_prefix(prefix)?.parse().ok()?;
            // Ids index tables, which a number out of all proportion would make huge.
            (number < 1 << 20).then(|| T::new(number as usize))
        })
    }

    /// Takes items with commas between them up to the closing symbol.
    pub fn list<T>(&mut self, close: char, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = Vec::new();
        while !self.eat(close) {
            if !items.is_empty() {
                self.expect(',')?;
            }
            items.push(item(self)?);
        }
        Ok(items)
    }

    // -- superblock -------------------------------------------------------------------------------------------------------

    fn value(&mut self) -> Result<Value> {
        let line = self.lexer.line();
        let v = self.id("v")?;
        self.used.entry(v).or_insert(line);
        Ok(v)
    }

    fn params(&mut self) -> Result<Vec<Value>> {
        self.expect('(')?;
        self.list(')', |p| {
            let v = p.id("v")?;
            p.expect(':')?;
            let ty = p.name("a type", Type::from_name)?;
            p.types.insert(v, ty);
            Ok(v)
        })
    }

    fn field(&mut self, kind: FieldKind) -> Result<Field> {
        let imm = match kind {
            FieldKind::Obj | FieldKind::Own | FieldKind::I64 | FieldKind::F64 | FieldKind::Bool | FieldKind::Ptr => {
                return Ok(Field::Value(self.value()?));
            }
            FieldKind::Owns | FieldKind::Anys => {
                self.expect('[')?;
                return Ok(Field::Values(self.list(']', Self::value)?.into()));
            }
            FieldKind::Depth | FieldKind::Index | FieldKind::Offset | FieldKind::Version | FieldKind::Pc => {
                Imm::Number(self.small()?)
            }
            FieldKind::Int => Imm::Int(self.number("an integer", |s| s.parse().ok())?),
            FieldKind::Float => Imm::Float(self.float()?),
            FieldKind::Truth => Imm::Truth(self.name("a truth value", |s| s.parse().ok())?),
            FieldKind::Object => Imm::Object(self.id("obj")?),
            FieldKind::Code => Imm::Code(self.id("code")?),
            FieldKind::Executor => Imm::Executor(self.id("executor")?),
            FieldKind::Virtual => Imm::Virtual(self.id("virt")?),
            FieldKind::Helper => Imm::Helper(self.name("a helper", Helper::from_name)?),
            FieldKind::Cond => Imm::Cond(self.name("a comparison", Cond::from_name)?),
            FieldKind::Moves => Imm::Moves(self.name("a movement", Moves::from_name)?),
            FieldKind::IntKind => Imm::IntKind(self.name("a kind of integer", IntKind::from_name)?),
            FieldKind::FloatKind => Imm::FloatKind(self.name("a kind of double", FloatKind::from_name)?),
            FieldKind::Reason => Imm::Reason(self.name("a reason to exit", ExitReason::from_name)?),
        };
        Ok(Field::Imm(imm))
    }

    fn inst(&mut self) -> Result<Inst> {
        let named = matches!(self.lexer.peek(), Token::Name(n) if n.strip_prefix('v').is_some_and(|d| d.parse::<u32>().is_ok()));
        let result: Option<Value> = if named { Some(self.id("v")?) } else { None };
        if named {
            self.expect('=')?;
        }
        let opcode = self.name("an op", Opcode::from_name)?;
        let mut fields = Vec::new();
        for (i, &(_, kind)) in opcode.info().fields.iter().enumerate() {
            if i > 0 {
                self.expect(',')?;
            }
            fields.push(self.field(kind)?);
        }
        let op = opcode.with_fields(fields).expect("fields were read as the table has them");
        let snapshot = if self.eat('[') { Some(self.id("snap")?) } else { None };
        if snapshot.is_some() {
            self.expect(']')?;
        }
        if let Some(v) = result {
            // An op that yields nothing has no type to give: the verifier reports it.
            self.types.insert(v, op.result().ty().unwrap_or(Type::Obj));
        }
        Ok(Inst { op, result, snapshot })
    }

    fn slot(&mut self) -> Result<Slot> {
        if self.eat_name("_") {
            Ok(Slot::Unchanged)
        } else if self.eat_name("null") {
            Ok(Slot::Null)
        } else if self.eat_name("own") {
            Ok(Slot::Owned(self.value()?))
        } else if matches!(self.lexer.peek(), Token::Name(n) if n.starts_with("virt")) {
            Ok(Slot::Virtual(self.id("virt")?))
        } else {
            Ok(Slot::Value(self.value()?))
        }
    }

    fn frame(&mut self) -> Result<FrameState> {
        let code = self.id("code")?;
        self.expect('@')?;
        let pc = self.small()?;
        let function = if self.eat_name("function") { Some(self.slot()?) } else { None };
        let generator = if self.eat_name("generator") { Some(self.slot()?) } else { None };
        let mut slots = |what: &str| {
            self.name(&format!("`{what}`"), |n| (n == what).then_some(()))?;
            self.expect('[')?;
            self.list(']', Self::slot)
        };
        Ok(FrameState { code, pc, function, generator, locals: slots("locals")?, stack: slots("stack")? })
    }

    /// A number of instructions: zero if there is none.
    fn instructions(&mut self) -> Result<u32> {
        if self.eat_name("instructions") { self.small() } else { Ok(0) }
    }

    fn snapshot(&mut self) -> Result<Snapshot> {
        let resume = self.name("a way to resume", Resume::from_name)?;
        let instructions = self.instructions()?;
        let mut frames = Vec::new();
        while matches!(self.lexer.peek(), Token::Name(n) if n.starts_with("code")) {
            frames.push(self.frame()?);
        }
        Ok(Snapshot { resume, frames, instructions })
    }

    /// Takes `prefix0 = ..., prefix1 = ...`, numbered without gaps.
    fn numbered<T>(
        &mut self,
        prefix: &str,
        mut item: impl FnMut(&mut Self) -> Result<T>,
        mut push: impl FnMut(T) -> usize,
    ) -> Result<()> {
        while matches!(self.lexer.peek(), Token::Name(n) if n.starts_with(prefix)) {
            let error = self.lexer.error(format!("the next number of `{prefix}` must be one higher than the last"));
            let id: Value = self.id(prefix)?;
            self.expect('=')?;
            if push(item(self)?) != id.index() {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Takes a superblock with its virtual objects and snapshots.
    ///
    /// # Errors
    /// The first place where the text is not as it should be.
    pub fn superblock(&mut self) -> Result<Superblock> {
        self.name("`superblock`", |n| (n == "superblock").then_some(()))?;
        let code = self.id("code")?;
        self.expect('@')?;
        let mut sb = Superblock::new(code, self.small()?);
        sb.params = self.params()?;
        self.expect('{')?;
        while !self.eat('}') {
            if sb.body.is_none() && self.eat_name("loop") {
                let params = self.params()?;
                sb.body = Some(LoopBody { params, insts: Vec::new(), instructions: self.instructions()? });
                self.expect(':')?;
                continue;
            }
            let inst = self.inst()?;
            sb.body.as_mut().map_or(&mut sb.prefix, |b| &mut b.insts).push(inst);
        }
        self.numbered("virt", Self::virtual_object, |v| sb.virtuals.push(v).index())?;
        self.numbered("snap", Self::snapshot, |s| sb.snapshots.push(s).index())?;
        sb.values = self.value_types()?;
        Ok(sb)
    }

    fn virtual_object(&mut self) -> Result<Virtual> {
        let kind = self.name("a kind of virtual object", VirtualKind::from_name)?;
        self.expect('(')?;
        Ok(Virtual { kind, fields: self.list(')', Self::slot)? })
    }

    /// Types by number. Numbers that nobody uses get one all the same.
    fn value_types(&self) -> Result<PrimaryMap<Value, Type>> {
        if let Some((v, &line)) = self.used.iter().find(|(v, _)| !self.types.contains_key(v)) {
            return Err(ParseError { line, message: format!("{v} is defined nowhere") });
        }
        let count = self.types.keys().next_back().map_or(0, |v| v.index() + 1);
        Ok((0..count).map(|i| self.types.get(&Value::new(i)).copied().unwrap_or(Type::Obj)).collect())
    }
}
