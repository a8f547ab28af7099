import ClusterModel
import Foundation
import RemoteShell
import TestSupport
import Testing

@testable import ClusterSteps

@Suite("HAProxy's socket, in a real shell")
struct HAProxySocketShellTests {
    private let tree: HostTree

    init() throws {
        tree = try HostTree(try #require(HostName("lb1")))
        try tree.process(70, "haproxy", ["/usr/sbin/haproxy", "-Ws", "-f", "\(tree.root)/etc/haproxy.cfg"])
        try tree.write("/proc/70/stat", "70 (haproxy) S 1 70 70 0\n")
        try tree.process(
            72,
            "haproxy",
            ["/usr/sbin/haproxy", "-sf", "71", "-Ws", "-f", "\(tree.root)/etc/haproxy.cfg"]
        )
        try tree.write("/proc/72/stat", "72 (haproxy) S 70 70 70 0\n")
        try configure("stats socket @/haproxy.sock mode 600 level admin  # ours")
        try tree.write("/haproxy.sock", "")
    }

    private func configure(_ line: String) throws {
        try tree.write("/etc/haproxy.cfg", "global\n  # stats socket /no level admin\n  \(line)\n")
    }

    private var paths: ClusterPaths {
        var paths = ClusterPaths()
        paths.haproxy = tree.root + "/etc/haproxy.cfg"
        return paths
    }

    private func read() async throws -> HAProxyServers.Value {
        let fact = HAProxyServers(paths)
        return try fact.parse(try await tree.run(fact.command))
    }

    private static func recorded(_ name: String) -> (state: String, stat: String) {
        let text = Fixtures.answer(HAProxyServers.name, name).text
        let parts = text.split(separator: "[state]\n")[1].split(separator: "[stat]\n")
        return (String(parts[0]), String(parts[1].split(separator: "[held]")[0]))
    }

    /// A server of HAProxy's protocol: one command a connection, then it closes; ends by itself.
    private func serve(_ connections: Int) async throws {
        let recorded = Self.recorded("drained")
        try tree.write("/state", recorded.state)
        try tree.write("/stat", recorded.stat)
        try FileManager.default.removeItem(atPath: tree.root + "/haproxy.sock")
        try tree.write(
            "/serve.pl",
            """
            use Socket;
            socket(L, AF_UNIX, SOCK_STREAM, 0); bind(L, pack_sockaddr_un("@/haproxy.sock")) or die; listen(L, 5);
            exit if fork;
            close STDIN; close STDOUT; close STDERR; alarm 300;
            for (1..\(connections)) {
                accept(C, L); my $line = <C>; my $file = $line =~ /servers state/ ? "state" : "stat";
                if ($line =~ /^(set|shutdown)/) { open(T, ">>", "@/told"); print T $line; close T; syswrite C, "\\n" }
                else { open(F, "<", "@/$file"); syswrite C, join("", <F>); close F }
                close C;
            }
            """
        )
        let started = try await tree.connection.run(RemoteCommand("perl \"$1\"", [tree.root + "/serve.pl"]))
        #expect(started.succeeded, "\(started.errorOutput.text)")
    }

    private var hasPerl: Bool { FileManager.default.isExecutableFile(atPath: "/usr/bin/perl") }

    @Test("the running program's socket is found and asked, and one worker is no older one")
    func asked() async throws {
        defer { tree.remove() }
        let recorded = Self.recorded("in-service")
        try tree.write("/state", recorded.state)
        try tree.write("/stat", recorded.stat)
        try tree.program(
            "socat",
            "[ \"$3\" = UNIX-CONNECT:@/haproxy.sock ] || exit 1; read -r l; case $l in *servers*) cat @/state ;; *) cat @/stat ;; esac"
        )
        let value = try await read()
        #expect(value.problem == nil && value.client == "socat" && value.olderWorkers == 0)
        #expect(value.servers.map(\.name) == ["master1", "master2", "master3"])
        #expect(value.servers.allSatisfy { $0.isServing })
        try tree.write("/proc/71/comm", "haproxy\n")
        try tree.write("/proc/71/stat", "71 (haproxy) S 70 70 70 0\n")
        #expect(try await read().olderWorkers == 1)
    }

    @Test("perl speaks to a real socket; holding leaves a note, which releasing takes away")
    func perl() async throws {
        defer { tree.remove() }
        guard hasPerl else { return }
        try await serve(6)
        let before = try await read()
        #expect(before.problem == nil, "\(before.problem ?? "")")
        let server = try #require(before.servers.last)
        #expect(server.isDrained && server.heldBy == nil)
        let hold = HAProxySocket.hold(server, as: .drain, run: "20261120T221302Z-9f3a12c4", paths.haproxy)
        var answer = try await tree.connection.run(hold)
        #expect(answer.succeeded && answer.output.text == "\n", "\(answer.errorOutput.text)")
        let held = try await tree.connection.run(RemoteCommand("cat /var/lib/rollbook-host/held/*"))
        #expect(held.output.text == "20261120T221302Z-9f3a12c4\n")
        answer = try await tree.connection.run(HAProxySocket.cutSessions(server, paths.haproxy))
        #expect(answer.succeeded && answer.output.text == "\n")
        answer = try await tree.connection.run(HAProxySocket.release(server, paths.haproxy))
        #expect(answer.succeeded && answer.output.text == "\n")
        let left = try FileManager.default.contentsOfDirectory(atPath: tree.root + "/var/lib/rollbook-host/held")
        #expect(left == [])
        let told = try String(contentsOfFile: tree.root + "/told", encoding: .utf8)
        #expect(
            told == """
                set server k8s-api-backend/master3 state drain
                shutdown sessions server k8s-api-backend/master3
                set server k8s-api-backend/master3 state ready

                """
        )
    }

    @Test("a socket without admin, none, and one that is gone are told apart")
    func problems() async throws {
        defer { tree.remove() }
        try tree.program("socat", "exit 1")
        try configure("stats socket @/haproxy.sock level operator")
        #expect(try await read().problem == "no stats socket of HAProxy is a file with level admin")
        try configure("stats socket ipv4@127.0.0.1:9999 level admin")
        #expect(try await read().problem == "no stats socket of HAProxy is a file with level admin")
        try configure("maxconn 10")
        #expect(try await read().problem == "HAProxy has no stats socket")
        try configure("stats socket @/other.sock level admin")
        #expect(try await read().problem == "HAProxy's stats socket is not there")
        try configure("stats socket unix@@/haproxy.sock level admin expose-fd listeners")
        #expect(try await read().problem == "HAProxy's socket answers nothing")
        try FileManager.default.removeItem(atPath: tree.root + "/proc/70")
        try FileManager.default.removeItem(atPath: tree.root + "/proc/72")
        try tree.program("haproxy", "exit 0")
        #expect(try await read().problem == "HAProxy does not run")
    }
}
