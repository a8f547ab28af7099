import ClusterModel
import Foundation
import RemoteShell
import TestSupport
import Testing

@testable import ClusterSteps

@Suite("What clients of the VIP notice, in a real shell")
struct AvailabilityTests {
    private static let unit = "rollbook-availability-9f3a12c4"

    /// A host whose systemd starts nothing and whose curl is answered by `answer`.
    private func host(active: Bool = false, curl answer: String = "printf 201") throws -> HostTree {
        let host = try HostTree(try #require(HostName("master1")))
        try host.program("curl", "printf '%s\\n' \"$*\" >>\"\(host.root)/asked\"; \(answer)")
        try host.program("systemd-run", "printf '%s\\n' \"$*\" >\"\(host.root)/started\"")
        try host.program("systemctl", "[ \"$1\" != is-active ] || exit \(active ? 0 : 3)")
        let key = Data("key\n".utf8).base64EncodedString()
        try host.write(
            "/etc/kubernetes/admin.conf",
            """
            clusters:
            - cluster:
                certificate-authority-data: \(key)
            users:
            - user:
                client-certificate-data: \(key)
                client-key-data: \(key)

            """
        )
        try host.write("/run/.keep", "")
        return host
    }

    private func command(_ action: AvailabilityScript, _ host: HostTree) -> RemoteCommand {
        action.command(
            Self.unit,
            kubernetes: host.root + "/etc/kubernetes",
            server: "https://10.77.0.100:6443",
            below: host.root + "/run"
        )
    }

    private func exists(_ path: String, _ host: HostTree) -> Bool {
        FileManager.default.fileExists(atPath: host.root + path)
    }

    @Test("it begins with the rights of admin.conf in files that only root reads, and not twice")
    func begins() async throws {
        let host = try host()
        defer { host.remove() }
        #expect(try await host.run(command(.start, host)).exitCode == 0)
        let key = host.root + "/run/\(Self.unit)/client.key"
        #expect(try String(contentsOfFile: key, encoding: .utf8) == "key\n")
        let mode = try FileManager.default.attributesOfItem(atPath: key)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        let started = try String(contentsOfFile: host.root + "/started", encoding: .utf8)
        #expect(started.contains("--unit=\(Self.unit)") && !started.contains("key\n"))
        let running = try self.host(active: true)
        defer { running.remove() }
        #expect(try await running.run(command(.start, running)).exitCode == 0)
        #expect(!exists("/started", running))
    }

    @Test("an API server that cannot be reached at the beginning is said")
    func unreachable() async throws {
        let host = try host(curl: "echo 'curl: (7) refused' >&2; exit 7")
        defer { host.remove() }
        let answer = try await host.run(command(.start, host))
        #expect(answer.exitCode == 1)
        #expect(String(decoding: answer.errorOutput, as: UTF8.self).contains("refused"))
        #expect(!exists("/started", host))
    }

    /// What the loop logs: reads every 200 ms but for 1.4 s from 1,000 ms on, a write that fails once, the last writes failing.
    private static let log = """
        1000000 r 200
        1000010 w 200
        1000200 r 200
        1000210 w 503
        1001600 r 200
        1000410 w 200
        1001800 r 000
        1000700 w 000
        1001900 r 200
        1002410 w 500

        """

    @Test("failures are counted, and a gap is from one success to the next, or to the end")
    func counts() async throws {
        let host = try host()
        defer { host.remove() }
        try host.write("/run/\(Self.unit)/log", Self.log)
        let answer = try await host.run(command(.report, host))
        let count = try #require(AvailabilityCount(answer.text), "\(answer)")
        #expect(count.reads == .init(sent: 5, failed: 1, longestGap: 1400))
        #expect(count.writes == .init(sent: 5, failed: 3, longestGap: 2000))
        #expect(count.seconds == 2)
        #expect(
            count.text
                == "1 of 5 reads failed, longest gap 1.4 s; 3 of 5 writes failed, longest gap 2.0 s"
        )
        #expect(!exists("/run/\(Self.unit)", host), "the keys are gone")
    }

    @Test("a report that was lost is given again")
    func again() async throws {
        let host = try host()
        defer { host.remove() }
        try host.write("/run/\(Self.unit)/log", Self.log)
        let first = try await host.run(command(.report, host))
        let second = try await host.run(command(.report, host))
        #expect(first.text == second.text && second.exitCode == 0)
    }

    @Test("a host that was restarted meanwhile has counted nothing, and that is said")
    func restarted() async throws {
        let host = try host()
        defer { host.remove() }
        let answer = try await host.run(command(.report, host))
        #expect(answer.exitCode == 1)
        #expect(String(decoding: answer.errorOutput, as: UTF8.self).contains("restarted"))
    }

    @Test("stopped, it leaves nothing behind")
    func stops() async throws {
        let host = try host()
        defer { host.remove() }
        _ = try await host.run(command(.start, host))
        _ = try await host.run(command(.stop, host))
        #expect(!exists("/run/\(Self.unit)", host))
        let asked = try String(contentsOfFile: host.root + "/asked", encoding: .utf8)
        #expect(asked.contains("-X DELETE") && asked.contains("configmaps/rollbook-availability"))
    }

    @Test("only its three lines are a count")
    func parse() {
        #expect(AvailabilityCount("seconds 1\nread 1 0 1") == nil)
        #expect(AvailabilityCount("seconds 1\nread 1 0\nwrite 1 0 1") == nil)
        #expect(AvailabilityCount("") == nil)
    }
}
