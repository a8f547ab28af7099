import ClusterModel
import Foundation
import RemoteShell
import RunEngine
import TestSupport
import Testing

@testable import ClusterSteps

@Suite("How etcd is installed, in a real shell")
struct EtcdInstallationShellTests {
    private func read(_ host: EtcdHostTree) async throws -> EtcdInstallation.Value {
        var paths = ClusterPaths()
        paths.kubernetes = host.root + "/etc/kubernetes"
        let fact = EtcdInstallation(paths: paths)
        return try fact.parse(try await host.tree.run(fact.command))
    }

    @Test(
        "a log of its own is found in manifest, environment file and configuration file, and whether it is a mount point"
    )
    func ownLog() async throws {
        for form in [EtcdHostTree.Form.manifest, .environment, .configuration] {
            let host = try EtcdHostTree(form, hasOwnLog: true)
            defer { host.remove() }
            let value = try await read(host)
            #expect(value.walDirectory == host.log && !value.isLogMountPoint, "\(form)")
            try host.tree.program("stat", "[ \"$3\" = \(host.log) ] && { echo 99; exit 0; }; exec /usr/bin/stat \"$@\"")
            #expect(try await read(host).isLogMountPoint, "\(form)")
        }
    }

    @Test("name, addresses and data are found however etcd is told", arguments: EtcdHostTree.Form.allCases)
    func forms(form: EtcdHostTree.Form) async throws {
        let host = try EtcdHostTree(form)
        defer { host.remove() }
        let value = try await read(host)
        #expect(value.form == (form == .manifest ? .staticPod : .unit))
        #expect(value.name == "master1" && value.peerURL == "https://10.78.0.11:2380")
        #expect(value.dataDirectory == host.data)
        #expect(value.walDirectory == (form == .flags ? host.root + "/var/lib/etcd-wal" : ""))
        #expect(value.isRunning && !value.isParked && value.canStart && value.hasData && !value.isMountPoint)
        #expect(value.fixedCluster.isEmpty == (form != .flags))
        let source =
            switch form {
            case .manifest: "/etc/kubernetes/manifests/etcd.yaml"
            case .environment: "/etc/default/etcd"
            case .flags: "/etc/etcd.env"
            case .configuration: "/etc/etcd.yml"
            }
        #expect(value.source == host.root + source)
        #expect(value.dataBytes == 8 && value.freeBytes > 0)
        if form == .manifest { #expect(value.version == "3.5.24-0" && value.clientURL == "https://10.78.0.11:2379") }
    }

    @Test("parked, it is found where it was put, and said to be parked", arguments: EtcdHostTree.Form.allCases)
    func parked(form: EtcdHostTree.Form) async throws {
        let host = try EtcdHostTree(form)
        defer { host.remove() }
        let before = try await read(host)
        try await host.do(
            RemoteCommand([EtcdInstallation.functions, ParkEtcd.script], [host.root + "/etc/kubernetes"])
        )
        let value = try await read(host)
        #expect(value.isParked && !value.isRunning)
        var paths = ClusterPaths()
        paths.kubernetes = host.root + "/etc/kubernetes"
        let fact = EtcdInstallation(paths: paths)
        // What a plan relies on stays while the run takes the member down and up.
        #expect(try fact.bound(value) == fact.bound(before))
    }

    @Test("a host without etcd has none of it")
    func nothing() async throws {
        let host = try EtcdHostTree(.manifest)
        defer { host.remove() }
        try FileManager.default.removeItem(atPath: host.root + "/etc/kubernetes")
        let value = try await read(host)
        #expect(value.form == .none && value.dataDirectory.isEmpty && value.source.isEmpty && !value.isParked)
    }

    @Test("flags of a manifest may be quoted, whole or in part")
    func quoted() async throws {
        let host = try EtcdHostTree(.manifest)
        defer { host.remove() }
        let path = "/etc/kubernetes/manifests/etcd.yaml"
        let text = try String(contentsOfFile: host.root + path, encoding: .utf8)
            .replacing("- --name=master1", with: "- \"--name=master1\"")
            .replacing("- --data-dir=\(host.data)", with: "- '--data-dir=\(host.data)'")
            .replacing(
                "--advertise-client-urls=https://10.78.0.11:2379\n",
                with: "--advertise-client-urls=\"https://c:1\"\n"
            )
        try host.tree.write(path, text)
        let value = try await read(host)
        #expect(value.name == "master1" && value.dataDirectory == host.data && value.clientURL == "https://c:1")
        #expect(value.fixedCluster.isEmpty)
    }

    @Test("where the member list cannot be changed is known before anything is done")
    func fixed() async throws {
        let manifest = try EtcdHostTree(.manifest)
        defer { manifest.remove() }
        let path = "/etc/kubernetes/manifests/etcd.yaml"
        let text = try String(contentsOfFile: manifest.root + path, encoding: .utf8)
        try manifest.tree.write(path, text.replacing("--initial-cluster=", with: "--initial-election-tick-advance="))
        #expect(try await read(manifest).fixedCluster == "its manifest has no --initial-cluster")
        try manifest.tree.write(path, text.replacing("--initial-cluster=", with: "--config-file="))
        let inFile = try await read(manifest)
        #expect(inFile.fixedCluster.hasPrefix("its manifest takes --initial-cluster from the file"))
        #expect(inFile.source == manifest.root + path)

        let unit = try EtcdHostTree(.environment)
        defer { unit.remove() }
        try FileManager.default.removeItem(atPath: unit.root + "/etc/default/etcd")
        #expect(try await read(unit).fixedCluster == "its unit has no environment file for --initial-cluster")

        let configured = try EtcdHostTree(.configuration)
        defer { configured.remove() }
        try FileManager.default.removeItem(atPath: configured.root + "/etc/etcd.yml")
        #expect(try await read(configured).fixedCluster.hasSuffix("/etc/etcd.yml is not there"))

        // A token as a flag is no member list.
        let token = try EtcdHostTree(.environment)
        defer { token.remove() }
        try token.tree.write(
            "/unit/ExecStart",
            "{ path=/usr/bin/etcd ; argv[]=/usr/bin/etcd --initial-cluster-token t ; ignore_errors=no }\n"
        )
        #expect(try await read(token).fixedCluster.isEmpty)
    }
}

/// Taking a member off the list with an etcdctl that notes what it was asked.
@Suite("Removing a member, in a real shell")
struct RemoveEtcdMemberShellTests {
    private let host: HostTree

    init() throws {
        host = try HostTree(try #require(HostName("master1")))
        try host.process(4711, "etcd", ["etcd", "--listen-client-urls=http://127.0.0.1:2379"])
        try host.program("sleep", ":")
    }

    private func remove(
        alarms: String,
        refusals: [String] = []
    ) async throws -> (answer: ProbeBatch.Answer, asked: [String]) {
        try host.write("/alarms", alarms)
        for (index, text) in refusals.enumerated() { try host.write("/refusal\(index)", text) }
        try host.program(
            "etcdctl",
            """
            while case "$1" in -*) true ;; *) false ;; esac; do [ "$1" != -w ] || shift; shift; done
            echo "$*" >>@/asked
            case "$*" in
            'member remove '*)
                n=$(grep -c 'member remove' @/asked); n=$((n - 1))
                [ ! -e "@/refusal$n" ] || { cat "@/refusal$n" >&2; exit 1; } ;;
            'alarm list') cat @/alarms ;;
            'member list') echo '{"members":[{"ID":1,"name":"master1","peerURLs":["http://1:2380"]}]}' ;;
            esac
            """
        )
        let command = RemoteCommand(
            [EtcdAccess.functions, MemberChange.retrying, RemoveEtcdMember.script, "; E -w json member list"],
            [host.root + "/pki", "a1", "161"]
        )
        let answer = try await host.run(command)
        let asked = (try? String(contentsOfFile: host.root + "/asked", encoding: .utf8)) ?? ""
        return (answer, asked.split(separator: "\n").map(String.init))
    }

    @Test("its own alarm is taken back with it, unless another member has one, or none is raised")
    func disarm() async throws {
        defer { host.remove() }
        let own = try await remove(
            alarms: #"{"header":{},"alarms":[{"memberID":161,"alarm":2},{"memberID":161,"alarm":1}]}"#
        )
        #expect(own.answer.exitCode == 0, "\(own.answer.errorOutput)")
        #expect(own.asked == ["member remove a1", "alarm list", "alarm disarm", "member list"])
    }

    @Test(
        "alarms of others, and none at all, are left alone",
        arguments: [
            #"{"alarms":[{"memberID":161,"alarm":2},{"memberID":7,"alarm":1}]}"#, #"{"header":{"member_id":161}}"#,
            #"{"alarms":[{"memberID":1611,"alarm":2}]}"#,
        ]
    )
    func leave(alarms: String) async throws {
        defer { host.remove() }
        #expect(try await remove(alarms: alarms).asked == ["member remove a1", "alarm list", "member list"])
    }

    @Test("etcd that wants to hear of all members first is asked again; one that never knew the member is content")
    func again() async throws {
        defer { host.remove() }
        let unhealthy = "Error: etcdserver: unhealthy cluster\n"
        let found = try await remove(
            alarms: "{}",
            refusals: [unhealthy, unhealthy, "Error: etcdserver: member not found\n"]
        )
        #expect(found.answer.exitCode == 0)
        #expect(found.asked.count { $0 == "member remove a1" } == 3)
    }

    @Test("any other refusal fails, and is told")
    func refused() async throws {
        defer { host.remove() }
        let found = try await remove(alarms: "{}", refusals: ["Error: etcdserver: re-configuration failed\n"])
        #expect(found.answer.exitCode == 1 && !found.asked.contains("alarm list"))
        #expect(String(decoding: found.answer.errorOutput, as: UTF8.self).contains("re-configuration failed"))
    }
}
