import ClusterModel
import Foundation
import RemoteShell
import RunEngine
import TestSupport
import Testing

@testable import ClusterSteps

@Suite("Mending swap, in a real shell")
struct CheckSwapShellTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: "rollbook-swap-\(UUID().uuidString)")

    private func text(_ path: String) -> String {
        (try? String(contentsOf: folder.appending(path: path), encoding: .utf8)) ?? ""
    }

    private func put(_ text: String, _ path: String) throws {
        let url = folder.appending(path: path)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
    }

    /// A program that only notes what it was called with.
    private func stub(_ name: String) throws {
        try put("#!/bin/sh\necho \"\(name) $*\" >>'\(folder.path)/calls'\n", "bin/\(name)")
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o755],
            ofItemAtPath: folder.appending(path: "bin/\(name)").path
        )
    }

    @Test("swap is turned off though /proc/swaps has no size, lines become comments, and what is covered is kept")
    func mends() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let fstab = "# /old none swap sw 0 0\nUUID=1 / ext4 defaults 0 1\nUUID=2\tnone\tswap\tsw\t0\t0\n"
        try put(fstab, "etc/fstab")
        try put("[zram0]\n", "etc/systemd/zram-generator.conf")
        for name in ["swapoff", "systemctl"] { try stub(name) }
        // Files below /proc have size 0 whatever they hold; a pipe is the nearest thing that a test can make.
        try put("Filename Type Size Used Priority\n/dev/sda3 partition 1 0 -2\n", "swaps")

        let trial = EngineTrial(.sample(masters: 0, workers: 1, loadBalancers: 0), registry: .shipped)
        trial.answer(SwapState(), with: "everything-on", on: "worker1")
        let host = try #require(trial.cluster.hosts.first)
        let facts = FactCache(cluster: trial.cluster, connections: trial.hosts, parallel: 1)
        let found = try await CheckSwap(fix: nil).assess(facts.reader(of: trial.cluster), on: host)
        guard case .fixable(_, _, let command) = found else {
            Issue.record("\(found)")
            return
        }
        let transport = LocalTransport(
            host: host.name,
            folder: folder.appending(path: "host").path,
            replacing: [
                ("tail -n +2 /proc/swaps", "[ -s /proc/swaps ] || cat '\(folder.path)/swaps' | tail -n +2"),
                ("swapoff ", "'\(folder.path)/bin/swapoff' "), ("systemctl ", "'\(folder.path)/bin/systemctl' "),
                ("/etc/", "\(folder.path)/etc/"),
            ].map { ($0.0, $0.1.replacing("'", with: "'\\''")) }
        )
        let result = try await FramedConnection(transport, become: .no).run(command)
        #expect(result.succeeded, "\(result.errorOutput.text)")
        #expect(
            text("calls").split(separator: "\n") == [
                "swapoff /dev/sda3", "systemctl stop dev-sdb1.swap", "systemctl mask dev-sdb1.swap",
                "systemctl stop zramswap.service", "systemctl mask zramswap.service", "systemctl daemon-reload",
            ]
        )
        #expect(
            text("etc/fstab")
                == "# /old none swap sw 0 0\nUUID=1 / ext4 defaults 0 1\n# rollbook: UUID=2\tnone\tswap\tsw\t0\t0\n"
        )
        #expect(text("etc/fstab.rollbook-before") == fstab)
        #expect(text("etc/systemd/zram-generator.conf").isEmpty)
        #expect(text("etc/systemd/zram-generator.conf.rollbook-before") == "[zram0]\n")
    }
}
