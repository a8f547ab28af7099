@testable import BackupStore
import ClusterModel
import SystemPackage
import TestSupport
import Testing

@Suite("Programs on the controller")
struct ChildProcessTests {
    let sandbox: Sandbox

    init() throws { sandbox = try Sandbox() }

    /// What a program that cannot be begun is told as, however it is fed.
    private func reason(of child: ChildProcess) async throws -> [String] {
        let (input, output) = (
            try FileDescriptor.open(FilePath("/dev/null"), .readOnly),
            try FileDescriptor.open(FilePath("/dev/null"), .writeOnly)
        )
        defer { for file in [input, output] { try? file.close() } }
        var reasons: [String] = []
        for isPiped in [false, true] {
            do throws(BackupError) {
                let result =
                    isPiped
                    ? try await child.run(from: input, to: output, time: HeldClock())
                    : try await child.run(time: HeldClock())
                reasons.append("ended with \(result.exitCode.map(String.init) ?? "a signal")")
            } catch {
                guard case .toolFailed(let what, _) = error else {
                    reasons.append("\(error)")
                    continue
                }
                reasons.append("failed: \(what)")
            }
        }
        // They are still this process' own.
        try output.writeAll([0])
        return reasons
    }

    @Test("a program that is missing, is no program, or has no place to work in is an error each time, and no crash")
    func cannotBegin() async throws {
        for _ in 0..<3 {
            #expect(
                try await reason(of: ChildProcess(program: "/nonexistent/etcdutl", arguments: []))
                    == ["failed: etcdutl", "failed: etcdutl"]
            )
            #expect(
                try await reason(of: ChildProcess(program: "/etc/passwd", arguments: []))
                    == ["failed: passwd", "failed: passwd"]
            )
            #expect(
                try await reason(of: ChildProcess(program: "/bin/true", arguments: [], directory: "/nonexistent"))
                    == ["failed: true", "failed: true"]
            )
        }
        #expect(
            try await reason(of: ChildProcess(program: "/bin/false", arguments: []))
                == ["ended with 1", "ended with 1"]
        )
    }
}

/// No deadline comes.
private struct HeldClock: TimeSource {
    var now: UTCMoment { UTCMoment(seconds: 0) }
    var uptime: Duration { .zero }
    func sleep(for duration: Duration) async throws {
        let (endless, _) = AsyncStream<Void>.makeStream()
        for await _ in endless {}
        try Task.checkCancellation()
    }
}
