import EtcdSnapshot
import Testing

@Suite("Damage is found")
struct DamageTests {
    @Test("every flipped bit is found, in the body and in the trailer", arguments: Fixture.all)
    func flippedBits(_ fixture: Fixture) {
        var random = SplitMix64(seed: 0x5eed)
        var bytes = fixture.bytes
        for round in 0..<64 {
            let offset = round < 8 ? bytes.count - 32 + round * 4 : Int.random(in: 0..<bytes.count, using: &random)
            let mask: UInt8 = 1 << UInt8.random(in: 0..<8, using: &random)
            bytes[offset] ^= mask
            let found = problem(in: bytes)
            #expect(found?.condemnsTheFile == true, "bit \(mask) of byte \(offset)")
            bytes[offset] ^= mask
        }
        #expect(problem(in: bytes) == nil)
    }

    @Test("every truncation is found, also when a missing trailer is accepted")
    func truncations() throws {
        let whole = try Fixture("kubernetes-3.5.16").bytes
        var random = SplitMix64(seed: 200)
        let lengths = [0, 1, 31, 32, 33, 511, 512, 544, 4_096, 8_192, 12_288, whole.count - 33, whole.count - 1]
        for length in lengths + (0..<200).map({ _ in Int.random(in: 0..<whole.count, using: &random) }) {
            let cut = Array(whole[..<length])
            #expect(problem(in: cut)?.condemnsTheFile == true, "cut to \(length)")
            guard length != whole.count - 32 else { continue }
            if length < whole.count - 32 {
                #expect(problem(in: cut, acceptsMissingTrailer: true) != nil, "cut to \(length), no trailer wanted")
            }
        }
    }

    @Test("a cut snapshot says how long it is and that the trailer is missing")
    func truncationText() throws {
        let cut = Array(try Fixture("kubernetes-3.5.16").bytes[..<30_000])
        let text = try #require(problem(in: cut)).description
        #expect(text.hasPrefix("the snapshot is 30000 bytes; trailer missing"))
    }

    @Test("a cut with a new trailer is found by the length that the database claims")
    func resealedTruncation() throws {
        let whole = try Fixture("kubernetes-3.5.16").bytes
        let cut = Patient(Array(whole[..<40_960]) + [UInt8](repeating: 0, count: 32))
        #expect(problem(in: cut.sealed())?.fault == .truncated(expected: 53_248, actual: 40_960))
    }

    @Test("a snapshot with something appended is refused")
    func appended() throws {
        let whole = try Fixture("empty-3.5.16").bytes
        #expect(problem(in: whole + [10])?.fault == .oddLength(size: UInt64(whole.count + 1)))
        let padded = Patient(Array(whole.dropLast(32)) + [UInt8](repeating: 0, count: 4_096 + 32))
        #expect(problem(in: padded.sealed())?.fault == .trailingBytes(expected: 20_480, actual: 24_576))
    }

    @Test("a bare database is refused with a clear sentence, and accepted only on request")
    func bareDatabase() throws {
        let bare = Array(try Fixture("kubernetes-3.5.16").bytes.dropLast(32))
        let found = try #require(problem(in: bare))
        #expect(found.fault == .noTrailer(size: UInt64(bare.count)))
        #expect(found.description.contains("bare database"))

        let report = try SnapshotVerifier(acceptsMissingTrailer: true).verify(MemoryBytes(bare))
        #expect(report.trailer == .missing)
        #expect(report.fileSHA256 == report.bodySHA256)
        // A database in a data directory is longer than the pages it uses.
        let grown = bare + [UInt8](repeating: 0, count: 16_384)
        #expect(try SnapshotVerifier(acceptsMissingTrailer: true).verify(MemoryBytes(grown)).liveKeys == 70)
    }

    @Test("accepting a missing trailer does not accept a wrong one")
    func wrongTrailerIsNeverAccepted() throws {
        var bytes = try Fixture("empty-3.5.16").bytes
        bytes[9_000] ^= 1
        guard case .trailerMismatch(let expected, let actual)? = problem(in: bytes, acceptsMissingTrailer: true)?.fault
        else {
            Issue.record("not refused by its trailer")
            return
        }
        #expect(expected.count == 64 && actual.count == 64 && expected != actual)
    }

    @Test("a file that changes while it is verified is said to change, not to be damaged")
    func changing() throws {
        let source = MemoryBytes(try Fixture("empty-3.5.16").bytes.dropLast())
        source.isChanged = true
        let found = #expect(throws: SnapshotProblem.self) { try SnapshotVerifier().verify(source) }
        #expect(found?.fault == .changedWhileRead)
        #expect(found?.condemnsTheFile == false)
    }

    @Test("a cancelled task ends the verification")
    func cancellation() async throws {
        let bytes = try Fixture("empty-3.5.16").bytes
        let task = Task { () -> SnapshotProblem? in
            while !Task.isCancelled { await Task.yield() }
            return problem(in: bytes)
        }
        task.cancel()
        #expect(await task.value?.fault == .cancelled)
    }
}
