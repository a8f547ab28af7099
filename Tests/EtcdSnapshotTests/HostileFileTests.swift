import EtcdSnapshot
import Foundation
import Testing

/// Files with a right trailer and wrong contents: whoever can write the file can write the trailer too.
@Suite("A hostile file ends in a report or a problem, in bounded time")
struct HostileFileTests {
    /// Verifies, and holds the work to a bound that does not depend on what the file says.
    private func examine(_ bytes: [UInt8], _ what: @autoclosure () -> String) -> Bool {
        let source = MemoryBytes(bytes)
        let report = try? SnapshotVerifier().verify(source)
        let bound = 8 * source.size
        #expect(source.bytesRead <= bound, "\(source.bytesRead) bytes read of \(source.size): \(what())")
        guard let report else { return false }
        // Whatever passed also has to be readable in the other direction.
        _ = try? SnapshotContents(of: source, verifiedAs: report).registrySummary()
        return true
    }

    @Test("a flipped bit under a mended trailer", arguments: Fixture.small)
    func flippedBits(_ fixture: Fixture) {
        var random = SplitMix64(seed: UInt64(fixture.bytes.count))
        var patient = Patient(fixture.bytes)
        for _ in 0..<200 {
            let offset = Int.random(in: 0..<patient.bodyCount, using: &random)
            let mask: UInt8 = 1 << UInt8.random(in: 0..<8, using: &random)
            patient[byte: offset] ^= mask
            _ = examine(patient.sealed(), "bit \(mask) of byte \(offset)")
            patient[byte: offset] ^= mask
        }
    }

    private static let values: [UInt64] = [
        0, 1, 2, 3, 4, 5, 0x10, 0x7f, 0x80, 0xff, 0x100, 0xfff, 0x1000, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0x7fff_ffff,
        0x8000_0000, 0xffff_ffff, 0x1_0000_0000, .max / 4_096, .max / 4_096 + 1, .max / 2, .max - 1, .max,
    ]

    /// Offsets of everything that steers the walk: meta fields, page headers and element tables.
    private static func steeringOffsets(_ patient: Patient) -> [(offset: Int, width: Int)] {
        var offsets: [(Int, Int)] = []
        for meta in 0...1 {
            let body = meta * patient.pageSize + 16
            offsets += [(body + 8, 4), (body + 16, 8), (body + 24, 8), (body + 32, 8), (body + 40, 8), (body + 48, 8)]
        }
        for page in 0..<patient.pages {
            let start = page * patient.pageSize
            offsets += [(start, 8), (start + 8, 2), (start + 10, 2), (start + 12, 4)]
            let count = min(Int(patient.number(at: start + 10, width: 2)), 24)
            guard page >= 2, patient.number(at: start, width: 8) == UInt64(page) else { continue }
            for element in 0..<count {
                let at = start + 16 + element * 16
                offsets += [(at, 4), (at + 4, 4), (at + 8, 4), (at + 12, 4), (at + 8, 8)]
                // The header of a bucket and the record of a revision begin where the data does.
                let leafData =
                    at + Int(patient.number(at: at + 4, width: 4)) + Int(patient.number(at: at + 8, width: 4))
                for (offset, width) in [
                    (leafData, 8), (leafData, 1), (leafData + 1, 1), (leafData + 16, 8), (leafData + 24, 4),
                ]
                where offset + width < patient.bodyCount { offsets.append((offset, width)) }
            }
        }
        return offsets
    }

    /// Eight of them are twenty thousand files.
    private static let seeds = ProcessInfo.processInfo.environment["ROLLBOOK_CRASH_DEPTH2"] == "all" ? 8 : 2

    @Test("thousands of changed structures", arguments: 0..<seeds)
    func changedStructures(_ seed: Int) throws {
        var random = SplitMix64(seed: UInt64(seed))
        let patients = Fixture.small.map { ($0.name, Patient($0.bytes), Self.steeringOffsets(Patient($0.bytes))) }
        var passed = 0
        for round in 0..<2_500 {
            let (name, original, offsets) = patients[(round + seed) % patients.count]
            var patient = original
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                guard let (offset, width) = offsets.randomElement(using: &random) else { continue }
                let old = patient.number(at: offset, width: width)
                let value: UInt64 =
                    switch Int.random(in: 0..<4, using: &random) {
                    case 0: old &+ UInt64.random(in: 1...16, using: &random)
                    case 1: old &- UInt64.random(in: 1...16, using: &random)
                    case 2: UInt64.random(in: 0..<UInt64(patient.pages + 2), using: &random)
                    default: Self.values.randomElement(using: &random) ?? 0
                    }
                patient.set(value, at: offset, width: width)
            }
            patient.sealMeta()
            if examine(patient.sealed(), "seed \(seed) round \(round) of \(name)") { passed += 1 }
        }
        // Most changes matter, but not all: some hit free pages or values.
        #expect(passed < 1_800)
    }

    @Test("garbage in place of one page", arguments: Fixture.small)
    func garbagePages(_ fixture: Fixture) {
        var random = SplitMix64(seed: 99)
        let whole = Patient(fixture.bytes)
        for page in 2..<whole.pages {
            for keepHeader in [true, false] {
                var patient = whole
                for offset in (page * 4_096 + (keepHeader ? 16 : 0))..<((page + 1) * 4_096) {
                    patient[byte: offset] = UInt8.random(in: 0...255, using: &random)
                }
                _ = examine(patient.sealed(), "page \(page) of \(fixture.name)")
            }
        }
    }
}
