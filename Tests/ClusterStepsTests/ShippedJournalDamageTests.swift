import ClusterModel
import RunEngine
import TestSupport
import Testing

@testable import Journal

/// Damage to the journal of a whole run of every shipped runbook.
@Suite("Damage to the journals of shipped runbooks")
struct ShippedJournalDamageTests {
    private static let newline = UInt8(ascii: "\n")

    /// The lines of a journal that a run wrote, each with its newline.
    private func lines(of runbook: ShippedRunbookCase) async throws -> [[UInt8]] {
        let (matrix, _) = try await runbook.prepared()
        let world = try matrix.makeWorld()
        let journal = try world.trial.journal(for: matrix.plan)
        let ending = try await world.trial.execute(matrix.plan, on: journal, services: try world.services())
        #expect(ending.exitCode == .done)
        return journal.bytes.split(separator: Self.newline).map { Array($0) + [Self.newline] }
    }

    @Test(
        "a journal cut anywhere in its last record is repaired to the record before",
        arguments: ShippedRunbookCrashTests.alone
    )
    func cut(runbook: ShippedRunbookCase) async throws {
        let lines = try await lines(of: runbook)
        let whole = Array(lines.joined())
        #expect(try JournalScan(whole).chain.state.status == .done)
        let last = try #require(lines.last)
        let good = whole.count - last.count
        for length in good..<(whole.count - 1) {
            let scan = try JournalScan(Array(whole[..<length]))
            #expect(
                scan.goodLength == good && scan.records.count == lines.count - 1 && scan.chain.state.status == .open
            )
        }
    }

    @Test("every single changed byte is noticed", arguments: ShippedRunbookCrashTests.alone)
    func flipped(runbook: ShippedRunbookCase) async throws {
        let lines = try await lines(of: runbook)
        // Of the longest run every sixteenth byte, another one in each record.
        let every = lines.count > 100 ? 16 : 1
        var chain = JournalChain()
        for (index, line) in lines.enumerated() {
            var changed = line
            // The newline joins a line with the next one; the last has nothing to be joined with, and JournalTests cuts it.
            for position in line.indices.dropLast() where (position + index) % every == 0 {
                changed[position] ^= 1 << UInt8((position / every + index) % 8)
                let parts = changed.dropLast().split(separator: Self.newline, omittingEmptySubsequences: false)
                var after = chain
                let isNoticed = (try? parts.forEach { _ = try after.take($0) }) == nil
                if !isNoticed { Issue.record("byte \(position) of line \(index + 1)") }
                changed[position] = line[position]
            }
            if index + 1 < lines.count {
                var after = chain
                #expect(throws: (any Error).self) {
                    _ = try after.take((line.dropLast() + lines[index + 1].dropLast())[...])
                }
            }
            _ = try chain.take(line.dropLast())
        }
        #expect(chain.state.status == .done)
    }
}
