@testable import BackupStore
import ClusterModel
import FoundationEssentials
import Glibc
import Testing

@Suite("Metrics for the textfile collector")
struct MetricsTests {
    let sandbox: Sandbox
    let file: MetricsFile

    init() throws {
        sandbox = try Sandbox()
        file = MetricsFile(path: sandbox.path + "/rollbook.prom", cluster: Sandbox.cluster)
    }

    private func text() throws -> String {
        String(decoding: try Data(contentsOf: URL(filePath: file.path)), as: UTF8.self)
    }

    private func metrics(_ code: ExitCode, success: Int64?) -> BackupMetrics {
        BackupMetrics(
            lastRun: UTCMoment(seconds: 2000),
            lastSuccess: success.map { UTCMoment(seconds: $0) },
            exitCode: code,
            duration: .seconds(12),
            snapshotBytes: success.map { _ in 4128 },
            snapshotRevision: success.map { _ in 7 },
            verifiedLevel: success.map { _ in 2 },
            sets: 3
        )
    }

    @Test("every line is a comment or a sample without a timestamp")
    func parses() throws {
        try file.write(metrics(.done, success: 2000), writer: ClusterSupply.run)
        let lines = try text().split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.last == "" && lines.count == 9 * 3 + 1)
        let sample = /rollbook_backup_[a-z_]+\{cluster="prod"\} -?[0-9]+/
        let comment = /# (HELP|TYPE) rollbook_backup_[a-z_]+ .+/
        for line in lines.dropLast() {
            #expect(line.wholeMatch(of: sample) != nil || line.wholeMatch(of: comment) != nil)
        }
    }

    @Test("a failed run keeps the time of the last success and what was known of that backup")
    func keepsSuccess() throws {
        try file.write(metrics(.storage, success: nil), writer: ClusterSupply.run)
        #expect(try !text().contains("last_success_timestamp_seconds{"))
        try file.write(metrics(.done, success: 1000), writer: ClusterSupply.run)
        try file.noteRestoreTest(at: UTCMoment(seconds: 1500), writer: ClusterSupply.run)
        try file.write(metrics(.integrity, success: nil), writer: ClusterSupply.run)
        let text = try text()
        #expect(text.contains("rollbook_backup_last_success_timestamp_seconds{cluster=\"prod\"} 1000\n"))
        #expect(text.contains("rollbook_backup_restore_test_success_timestamp_seconds{cluster=\"prod\"} 1500\n"))
        #expect(text.contains("rollbook_backup_snapshot_revision{cluster=\"prod\"} 7\n"))
        #expect(text.contains("rollbook_backup_last_exit_code{cluster=\"prod\"} 9\n"))
    }

    @Test("skipped runs are counted across runs (B05)")
    func skipped() throws {
        try file.noteSkipped(writer: ClusterSupply.run)
        try file.write(metrics(.done, success: 2000), writer: ClusterSupply.run)
        try file.noteSkipped(writer: ClusterSupply.run)
        #expect(try text().contains("rollbook_backup_skipped_total{cluster=\"prod\"} 2\n"))
        #expect(try text().contains("last_success_timestamp_seconds{cluster=\"prod\"} 2000\n"))
    }

    @Test(
        "the file is readable by everybody whatever the umask, and nothing else is left (B07)",
        arguments: [0, 0o077]
    )
    func mode(_ mask: mode_t) throws {
        let before = umask(mask)
        defer { umask(before) }
        try file.write(metrics(.done, success: 2000), writer: ClusterSupply.run)
        var status = stat()
        try #require(unsafe stat(file.path, &status) == 0)
        #expect(status.st_mode & 0o7777 == 0o644)
        #expect(try FileManager.default.contentsOfDirectory(atPath: sandbox.path) == ["rollbook.prom"])
    }

    @Test("a damaged earlier file is replaced, a link in its place is not written through")
    func damaged() throws {
        try Data("rollbook_backup_last_success_timestamp_seconds{cluster=\"prod\"} x\n\u{0}".utf8)
            .write(to: URL(filePath: file.path))
        try file.write(metrics(.stepFailed, success: nil), writer: ClusterSupply.run)
        #expect(try !text().contains("last_success_timestamp_seconds{"))
        try FileManager.default.removeItem(atPath: file.path)
        try Data("canary".utf8).write(to: URL(filePath: sandbox.path + "/canary"))
        try FileManager.default.createSymbolicLink(atPath: file.path, withDestinationPath: sandbox.path + "/canary")
        try file.write(metrics(.done, success: 1), writer: ClusterSupply.run)
        #expect(try Data(contentsOf: URL(filePath: sandbox.path + "/canary")) == Data("canary".utf8))
    }

    @Test("a folder that is not there is a storage error, a wrong name an input error")
    func errors() {
        let missing = MetricsFile(path: "/nowhere/rollbook.prom", cluster: Sandbox.cluster)
        let first = #expect(throws: BackupError.self) { try missing.noteSkipped(writer: ClusterSupply.run) }
        #expect(first?.code == .storage)
        let wrong = MetricsFile(path: sandbox.path + "/rollbook.txt", cluster: Sandbox.cluster)
        let second = #expect(throws: BackupError.self) { try wrong.noteSkipped(writer: ClusterSupply.run) }
        #expect(second?.code == .invalidInput)
    }
}
