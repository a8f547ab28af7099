import ClusterModel
import SystemPackage
import Testing

@testable import Journal

@Suite("Damage to a journal")
struct DamageTests {
    let lines: [[UInt8]]
    let bytes: [UInt8]

    init() throws {
        lines = try SampleRun.lines()
        bytes = Array(lines.joined())
    }

    @Test("the sample is realistic, whole and read back event by event")
    func whole() throws {
        let scan = try JournalScan(bytes)
        #expect(lines.count >= 60)
        #expect(scan.torn.isEmpty && scan.goodLength == bytes.count)
        #expect(scan.records.map(\.event) == SampleRun.events)
        #expect(scan.chain.state.status == .done)
    }

    /// Whether reading on with `changed` after good lines shows the damage; the good lines are not hashed again each time.
    func isNoticed(_ changed: [[UInt8]], after chain: JournalChain) -> Bool {
        var chain = chain
        for line in changed {
            var rest = line[...]
            while let end = rest.firstIndex(of: newline) {
                do { _ = try chain.take(rest[..<end]) } catch { return true }
                rest = rest[(end + 1)...]
            }
            if !rest.isEmpty { return true }
        }
        return false
    }

    /// The states of the chain before each line, and after the last.
    func chains() throws -> [JournalChain] {
        var chains = [JournalChain()]
        for line in lines {
            var next = chains[chains.count - 1]
            _ = try next.take(line.dropLast())
            chains.append(next)
        }
        return chains
    }

    @Test("every change of every single byte is noticed, whatever bit it hits")
    func everyByte() throws {
        let chains = try chains()
        var noticed = 0
        for (index, line) in lines.enumerated() {
            var changed = line
            for position in line.indices {
                changed[position] ^= 1 << UInt8((position + index) % 8)
                if changed[position] == newline || position == line.count - 1 {
                    // It cuts the line in two, or joins it with the next (the last line has a test of its own).
                    let next = index + 1 < lines.count ? [lines[index + 1]] : []
                    noticed += isNoticed([changed] + next, after: chains[index]) ? 1 : 0
                } else {
                    var chain = chains[index]
                    do { _ = try chain.take(changed.dropLast()) } catch { noticed += 1 }
                }
                changed[position] = line[position]
            }
        }
        #expect(noticed == bytes.count)
    }

    @Test("a changed byte in the last record is damage and not a torn end, the newline included")
    func lastRecordFlipped() throws {
        let few = Array(lines.prefix(2).joined())
        for position in few.indices.suffix(lines[1].count) {
            // Two bits of each byte; all eight of the newline.
            for bit in position == few.count - 1 ? Array(0..<8) : [position % 8, (position + 3) % 8] {
                var changed = few
                changed[position] ^= 1 << UInt8(bit)
                #expect(throws: JournalDamage.self, "bit \(bit) of byte \(position)") { try JournalScan(changed) }
            }
        }
    }

    @Test("a journal that ends anywhere within its last record is repaired to the record before")
    func tornEverywhere() throws {
        let few = Array(lines.prefix(2).joined())
        let good = few.count - lines[1].count
        for length in (good + 1)..<few.count {
            let scan = try JournalScan(Array(few[..<length]))
            #expect(scan.goodLength == good && scan.torn.count == length - good && scan.records.count == 1)
            // The file may have grown before its blocks were written: then zeros follow.
            let padded = try JournalScan(Array(few[..<length]) + [UInt8](repeating: 0, count: 700))
            #expect(padded.goodLength == good)
        }
        #expect(try JournalScan(Array(few[..<good])).torn.isEmpty)
    }

    @Test("a sector of zeros within a last line that has its newline is a torn end; elsewhere it is damage")
    func emptySector() throws {
        let long = SampleRun.outcome("8.worker3.kubelet", 1, .failed, message: String(repeating: "x", count: 2000))
        var events = Array(SampleRun.events.dropLast())
        events += [SampleRun.intent("8.worker3.kubelet"), long]
        let lines = try SampleRun.lines(events)
        let good = lines.dropLast().map(\.count).reduce(0, +)
        let whole = Array(lines.joined())
        let sector = (good / 512 + 2) * 512
        var torn = whole
        torn.replaceSubrange(sector..<sector + 512, with: repeatElement(0, count: 512))
        #expect(try JournalScan(torn).goodLength == good)
        var part = whole
        part.replaceSubrange(sector..<sector + 511, with: repeatElement(0, count: 511))
        #expect(throws: JournalDamage.self) { try JournalScan(part) }
        #expect(throws: JournalDamage.self) { try JournalScan(torn + lines[0]) }
    }

    @Test("an end without a newline that is no interrupted write is damage")
    func notTorn() throws {
        let junk: [[UInt8]] = [[0x58], [0x0D], Array("{}".utf8), Array("\u{0}x".utf8)]
        for tail in junk {
            #expect(throws: JournalDamage.self) { try JournalScan(Array(bytes.dropLast()) + tail) }
        }
        #expect(throws: JournalDamage.self) { try JournalScan(bytes + [UInt8](repeating: 0x61, count: 40_000)) }
        // Zeros alone, and a whole record whose newline was not written, are interrupted writes.
        #expect(try JournalScan(bytes + [0, 0, 0]).goodLength == bytes.count)
        #expect(try JournalScan(Array(bytes.dropLast()) + [0]).records.count == lines.count - 1)
    }

    @Test("1,000 each of lines moved, left out, doubled and put in are noticed")
    func lineSurgery() throws {
        var random = SplitMix64(seed: 3)
        let foreign = try SampleRun.lines(
            [SampleRun.begin(steps: 2), .lockTaken(LockTaken(epoch: 1))] + Array(SampleRun.events[2...])
        )
        let chains = try chains()
        for round in 0..<1000 {
            let one = Int.random(in: 0..<lines.count - 1, using: &random)
            let other = Int.random(in: one + 1..<lines.count, using: &random)
            var moved = lines
            moved.swapAt(one, other)
            var without = lines
            without.remove(at: one)
            var doubled = lines
            doubled.insert(lines[other], at: one)
            var twice = lines
            twice.insert(lines[one], at: one)
            var inserted = lines
            inserted[one] = foreign[one]
            for changed in [moved, without, doubled, twice, inserted] {
                let rest = Array(changed[one...].prefix(2))
                #expect(isNoticed(rest, after: chains[one]))
                guard round < 10 else { continue }
                #expect(throws: JournalDamage.self) { try JournalScan(Array(changed.joined())) }
            }
        }
    }

    @Test("the message names the record and how many there are")
    func message() throws {
        var changed = lines
        changed[16][40] ^= 1
        let error = #expect(throws: JournalDamage.self) { try JournalScan(Array(changed.joined())) }
        #expect(error?.reason == "record 17 of \(lines.count) does not match its hash")
    }

    @Test("a journal of another version is told from a damaged one by its hash")
    func otherVersion() throws {
        let text = #"{"n":1,"prev":"\#(SampleRun.planID)","run":"\#(SampleRun.id)","type":"run.start","v":2}"#
        let object = Array(text.utf8)
        let hash = RecordFrame.hash(of: object, after: SampleRun.planID, version: 2)
        let error = #expect(throws: JournalDamage.self) { try JournalScan(RecordFrame.line(of: object, hash: hash)) }
        #expect(error?.cause == .otherVersion(2))
        let other = RecordFrame.hash(of: object, after: SampleRun.planID, version: 1)
        let damage = #expect(throws: JournalDamage.self) { try JournalScan(RecordFrame.line(of: object, hash: other)) }
        #expect(damage?.cause == .damaged("does not match its hash"))
    }
}
