import ClusterModel
import Foundation
import RemoteShell
import TestSupport

@testable import ClusterSteps

/// An etcd host as a folder, with a kubelet or a systemd that are shell scripts.
///
/// The process of etcd is a folder below the tree's `/proc`. While a script waits (`sleep`), the kubelet looks at its manifests.
struct EtcdHostTree {
    enum Form: String, CaseIterable {
        /// kubeadm's static pod.
        case manifest
        /// A unit with `/etc/default/etcd`, as Debian's.
        case environment
        /// A unit with flags, some of them `--flag value`, and a log of its own.
        case flags
        /// A unit with a configuration file.
        case configuration
    }

    struct Failed: Error { let text: String }

    let tree: HostTree
    let form: Form

    var root: String { tree.root }
    var data: String { root + "/var/lib/etcd" }
    var isRunning: Bool { FileManager.default.fileExists(atPath: root + "/proc/4711") }

    /// Where its write-ahead log is, when that is a directory of its own.
    var log: String { root + "/var/lib/etcd-wal" }

    /// With its own log directory, where `hasOwnLog`; a unit with flags always has one.
    init(_ form: Form, hasOwnLog: Bool = false) throws {
        guard let name = HostName("master1") else { throw Failed(text: "no name") }
        self.form = form
        tree = try HostTree(name)
        try tree.write("/var/lib/etcd/member/snap/db", "old data", mode: 0o600)
        try tree.write("/var/lib/etcd/member/wal/0.wal", "log", mode: 0o600)
        for path in ["/var/lib/etcd/member", "/var/lib/etcd"] {
            try FileManager.default.setAttributes(
                [.posixPermissions: 0o700, .ownerAccountID: 65534],
                ofItemAtPath: root + path
            )
        }
        try makePrograms()
        try makeInstallation()
        if hasOwnLog, form != .flags { try giveOwnLog() }
        try tree.write("/cmdline", "--initial-advertise-peer-urls=https://10.78.0.11:2380\u{0}")
        try tree.process(4711, "etcd", ["etcd", "--initial-advertise-peer-urls=https://10.78.0.11:2380"])
    }

    /// The file that names the cluster's members, before and after the member was started again.
    var joinSource: (before: String, after: String) {
        switch form {
        case .manifest:
            (root + "/var/lib/rollbook-host/parked/etcd.yaml", root + "/etc/kubernetes/manifests/etcd.yaml")
        case .configuration: (root + "/etc/etcd.yml", root + "/etc/etcd.yml")
        default: (root + "/etc/default/etcd", root + "/etc/default/etcd")
        }
    }

    private func makeInstallation() throws {
        switch form {
        case .manifest:
            let text = String(decoding: Fixtures.bytes("shell/etc/kubernetes/manifests/etcd.yaml") ?? [], as: UTF8.self)
            try tree.write(
                "/etc/kubernetes/manifests/etcd.yaml",
                text.replacing("=/var/", with: "=\(root)/var/"),
                mode: 0o600
            )
        case .environment:
            let text = """
                # etcd's own
                ETCD_NAME="master1"
                ETCD_DATA_DIR=@/var/lib/etcd/
                ETCD_INITIAL_ADVERTISE_PEER_URLS='https://10.78.0.11:2380'
                ETCD_ADVERTISE_CLIENT_URLS=https://10.78.0.11:2379
                ETCD_INITIAL_CLUSTER="master1=https://10.78.0.11:2380"
                ETCD_INITIAL_CLUSTER_STATE=new

                """
            try tree.write("/etc/default/etcd", text, mode: 0o640)
            try FileManager.default.setAttributes(
                [.groupOwnerAccountID: 65534, .ownerAccountID: 65534],
                ofItemAtPath: root + "/etc/default/etcd"
            )
            try unit("/usr/bin/etcd $DAEMON_ARGS", file: "@/etc/default/etcd (ignore_errors=yes)")
        case .flags:
            try tree.write("/var/lib/etcd-wal/0.wal", "log", mode: 0o600)
            try FileManager.default.setAttributes([.ownerAccountID: 65534], ofItemAtPath: root + "/var/lib/etcd-wal")
            try tree.write("/etc/etcd.env", "ETCD_NAME=master1\nIP=10.78.0.11\n")
            let flags =
                "/usr/bin/etcd --name ${ETCD_NAME} -data-dir @/var/lib/etcd --wal-dir=@/var/lib/etcd-wal"
                + " --initial-advertise-peer-urls https://${IP}:2380 --enable-v2"
                + " --initial-cluster master1=https://10.78.0.11:2380"
            try unit(flags, file: "@/etc/etcd.env (ignore_errors=no)")
        case .configuration:
            let text = """
                name: 'master1'
                data-dir: "@/var/lib/etcd"
                initial-advertise-peer-urls: https://10.78.0.11:2380
                initial-cluster: master1=https://10.78.0.11:2380
                initial-cluster-token: t

                """
            try tree.write("/etc/etcd.yml", text, mode: 0o640)
            try unit("/usr/bin/etcd --config-file=@/etc/etcd.yml", file: "")
        }
    }

    private func giveOwnLog() throws {
        try FileManager.default.removeItem(atPath: data + "/member/wal")
        try tree.write("/var/lib/etcd-wal/0.wal", "log", mode: 0o600)
        try FileManager.default.setAttributes(
            [.ownerAccountID: 65534, .posixPermissions: 0o700],
            ofItemAtPath: log
        )
        let (path, old, new) =
            switch form {
            case .configuration: ("/etc/etcd.yml", "initial-cluster-token", "wal-dir: \(log)\ninitial-cluster-token")
            case .environment: ("/etc/default/etcd", "ETCD_NAME", "ETCD_WAL_DIR=\(log)/\nETCD_NAME")
            default: ("/etc/kubernetes/manifests/etcd.yaml", "    - --name=", "    - --wal-dir=\(log)\n    - --name=")
            }
        let text = try String(contentsOfFile: root + path, encoding: .utf8)
        try text.replacing(old, with: new, maxReplacements: 1)
            .write(toFile: root + path, atomically: false, encoding: .utf8)
    }

    private func unit(_ command: String, file: String) throws {
        try tree.write("/unit/ExecStart", "{ path=/usr/bin/etcd ; argv[]=\(command) ; ignore_errors=no ; pid=1 }\n")
        try tree.write("/unit/EnvironmentFiles", file.isEmpty ? "" : file + "\n")
        try tree.write("/unit/Environment", "\n")
        try tree.write("/unit/LoadState", "loaded\n")
        try tree.write("/unit/FragmentPath", "/lib/systemd/system/etcd.service\n")
        try tree.write("/unit/enabled", "", mode: 0o600)
    }

    private func makePrograms() throws {
        try tree.program(
            "systemctl",
            """
            begin() { mkdir -p @/proc/4711; echo etcd >@/proc/4711/comm; cp @/cmdline @/proc/4711/cmdline; : >@/proc/4711/environ; }
            case "$*" in
            'show -p '*) cat "@/unit/$3" 2>/dev/null ;;
            is-enabled*) [ -e @/unit/enabled ] ;;
            'is-active kubelet') exit 0 ;;
            is-active*) [ -e @/proc/4711 ] ;;
            disable*) rm -f @/unit/enabled ;;
            enable*) : >@/unit/enabled ;;
            stop*) rm -rf @/proc/4711 ;;
            start*) begin ;;
            kubelet) if [ -e @/etc/kubernetes/manifests/etcd.yaml ]; then begin; else rm -rf @/proc/4711; fi ;;
            esac
            """
        )
        try tree.program("sleep", "[ -e @/unit ] || systemctl kubelet")
    }

    private static let changing = ["mv", "cp", "rm", "mkdir", "rmdir", "chown", "awk", "systemctl"]

    /// Counts the commands that a script starts from now on, and kills the shell in place of the one with a number.
    func countCommands(killAt number: Int = 0) throws {
        try tree.write("/count", "0\n")
        try tree.write("/kill", "\(number)\n")
        for name in Self.changing {
            let own = root + "/bin/\(name)"
            let inner = root + "/inner/\(name)"
            if name == "systemctl", !FileManager.default.fileExists(atPath: inner) {
                try FileManager.default.createDirectory(atPath: root + "/inner", withIntermediateDirectories: true)
                try FileManager.default.moveItem(atPath: own, toPath: inner)
            }
            let real = name == "systemctl" ? inner : "/usr/bin/\(name)"
            try tree.program(
                name,
                """
                case "$1" in show | is-* | kubelet) exec "\(real)" "$@" ;; esac
                read -r n <@/count; n=$((n + 1)); echo $n >@/count; read -r k <@/kill
                [ "$n" != "$k" ] || { kill -9 $PPID; exit 137; }
                exec "\(real)" "$@"
                """
            )
        }
    }

    var commands: Int {
        let text = try? String(contentsOfFile: root + "/count", encoding: .utf8)
        return text.flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) } ?? 0
    }

    /// Runs a script to its end.
    ///
    /// - Throws: `Failed` with what it said when it did not succeed.
    @discardableResult
    func `do`(_ command: RemoteCommand) async throws -> String {
        let answer = try await tree.run(command)
        guard answer.exitCode == 0 else {
            throw Failed(text: String(decoding: answer.errorOutput, as: UTF8.self))
        }
        return answer.text
    }

    func remove() {
        tree.remove()
        try? FileManager.default.removeItem(atPath: root + ".kept")
    }

    /// Keeps the host as it is now, or takes it back to how it was kept.
    func keep() async throws { try await copy(root, to: root + ".kept") }
    func restore() async throws { try await copy(root + ".kept", to: root) }

    private func copy(_ from: String, to: String) async throws {
        try await self.do(RemoteCommand("/usr/bin/rm -rf -- \"$2\"; /usr/bin/cp -a -- \"$1\" \"$2\"", [from, to]))
    }

    /// Every file and folder of the host with mode, owner and content; not its programs, nor what belongs to this stand-in.
    func listing() throws -> [String] {
        let own = ["bin", "inner", "count", "kill", "cmdline", "proc"]
        let paths = (FileManager.default.subpaths(atPath: root) ?? []).sorted()
        return try paths.filter { path in !own.contains { path == $0 || path.hasPrefix($0 + "/") } }.map { path in
            let full = root + "/" + path
            let content = (try? String(contentsOfFile: full, encoding: .utf8)) ?? "folder"
            let text = content.replacing(root, with: "@").replacing("\u{0}", with: " ")
            return "\(path) \(String(try mode(full), radix: 8)) \(try owner(full)) \(text)"
        }
    }

    func mode(_ path: String) throws -> Int {
        (try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber)?.intValue ?? 0
    }

    func owner(_ path: String) throws -> Int {
        (try FileManager.default.attributesOfItem(atPath: path)[.ownerAccountID] as? NSNumber)?.intValue ?? 0
    }
}
