import BackupStore
import ClusterModel
import RemoteShell
import RunEngine
import Synchronization
import TestSupport

@testable import ClusterSteps

/// What the hosts of a sample cluster do with the scripts of the shipped steps, from recordings.
///
/// A script is known by what only it contains, so that the very text that goes to a real host is what is answered here.
enum ShippedHosts {
    static let snapshotFolder = "/var/lib/rollbook-host/snapshots/"

    /// Prepares the hosts of a cluster of one master or three.
    static func prepare(
        _ trial: EngineTrial,
        _ etcd: SimulatedEtcd,
        _ balancers: [String: SimulatedHAProxy] = [:],
        _ scene: UpgradeScene? = nil
    ) {
        let paths = trial.cluster.paths
        for host in trial.cluster.hosts(in: .master) {
            trial.answer(CertificateAuthority(pki: paths.pki), with: "a-ca", on: host.name.text)
        }
        for host in trial.cluster.hosts {
            for kind in CollectableFiles.Kind.allCases where host.role != .worker {
                trial.answer(
                    CollectableFiles(kind: kind, paths: paths),
                    with: host.role == .master ? "control-plane" : "path-with-space",
                    on: host.name.text
                )
            }
            let name = host.name.text
            let backup = responder(
                status: { etcd.status(of: name).output.bytes },
                archive: Fixtures.bytes("run/\(host.role == .master ? "control-plane" : "load-balancer").tar") ?? []
            )
            let known = known(of: host, in: trial.cluster)
            if scene != nil { trial.hosts[name].values["name"] = name }
            trial.hosts[name].responder = { host, script, arguments in
                defer { if balancers[name] != nil { scene?.judgeBalancers() } }
                return scene?.answer(&host, name, script, arguments)
                    ?? balancers[name]?.answer(script, arguments) ?? etcd.answer(name, script, arguments)
                    ?? controlPlane(&host, script) ?? kubelet(&host, script, etcd) ?? backup(&host, script, arguments)
                    ?? preflight(&host, script, arguments, known: known)
            }
        }
    }

    private typealias Known = (name: String, command: RemoteCommand, output: [UInt8])

    private static let planned = Mutex<[Cluster: [HostName: [Known]]]>([:])

    /// What a host in order answers to facts, read from the fixtures once for all worlds of a cluster.
    private static func known(of host: ClusterModel.Host, in cluster: Cluster) -> [Known] {
        planned.withLock { planned in
            if let known = planned[cluster]?[host.name] { return known }
            let known = Fixtures.facts(about: host, in: cluster).map { fact in
                let name = type(of: fact).name
                return (name, fact.command, Fixtures.planned(name, about: host, in: cluster).output)
            }
            planned[cluster, default: [:]][host.name] = known
            return known
        }
    }

    /// A master's pods, which follow their manifests once a step has moved them.
    private static func controlPlane(_ host: inout SimulatedHost, _ script: String) -> CommandResult? {
        if script.contains("'[placed]'") {
            return host.values["pods"].map { CommandResult(text: Fixtures.answer(ControlPlanePods.name, $0).text) }
        }
        if script.contains("s after its manifest left") {
            host.values["pods"] = "parked"
        } else if script.contains(".rollbook-$p.yaml") {
            host.values["pods"] = "running"
        } else if !script.contains("the API server is not ready after 300 s") {
            return nil
        }
        return CommandResult(text: "")
    }

    /// A kubelet that is restarted once, and never before its own etcd runs on what it is to forget.
    private static func kubelet(_ host: inout SimulatedHost, _ script: String, _ etcd: SimulatedEtcd) -> CommandResult?
    {
        guard script == EnsureService.script.description else { return nil }
        host.values["kubelet"] = host.values["kubelet"] == nil ? "begun anew" : "begun anew twice"
        let isRestored = etcd.now.sites.allSatisfy { $0.isRunning && $0.restoredBy != nil }
        if !isRestored { etcd.change { $0.incidents.append("a kubelet began anew before etcd") } }
        return CommandResult(text: "running enabled\n")
    }

    /// A host with swap, without its modules and with a later file that has the last word, until each was mended.
    private static func preflight(
        _ host: inout SimulatedHost,
        _ script: String,
        _ arguments: [String],
        known: [Known]
    ) -> CommandResult? {
        let fixes = [
            "swapoff \"$device\"": "swap", "modprobe \"$module\"": "modules",
            "printf '%s\\n' \"$@\"; } >\"$file.new\"": "sysctl",
        ]
        if let fix = fixes.first(where: { script.contains($0.key) }) {
            host.values[fix.value] = "mended"
            return CommandResult(text: "")
        }
        guard
            let (name, _, output) = known.first(where: {
                $0.command.arguments == arguments && $0.command.script == script
            })
        else { return nil }
        let broken: String? =
            switch name {
            case SwapState.name: host.values["swap"] == nil ? "everything-on" : nil
            case KernelModules.name: host.values["modules"] == nil ? "not-loaded" : nil
            case SysctlState.name:
                host.values["modules"] == nil
                    ? "bridge-missing" : host.values["sysctl"] == nil ? "later-file-wins" : nil
            default: nil
            }
        return CommandResult(bytes: broken.map { Fixtures.answer(name, $0).output } ?? output)
    }

    private static let snapshot = Fixtures.bytes("run/snapshot.db") ?? []
    private static let snapshotDigest = FileDigest(of: snapshot)
    private static let hash = Fixtures.bytes("run/hashkv.json") ?? []
    private static let checks = Fixtures.bytes("run/checks") ?? []

    private static func responder(
        status: @escaping @Sendable () -> [UInt8],
        archive: [UInt8]
    ) -> SimulatedHost.Responder {
        { host, script, arguments in
            switch script.utf8.count {
            case _ where script == "cat -- \"$1\"":
                guard let file = host.files[arguments[0]] else {
                    return CommandResult(exitCode: 1, text: "", errorText: "cat: \(arguments[0]): No such file")
                }
                return CommandResult(bytes: file)
            case _ where script.contains("E snapshot save"):
                let path = "\(snapshotFolder)\(arguments[1]).\(arguments[2]).db"
                host.files = host.files.filter { !$0.key.hasPrefix("\(snapshotFolder)\(arguments[1]).") }
                host.files[path] = snapshot
                let lines = "file \(path)\nbytes \(snapshotDigest.bytes)\nsha256 \(snapshotDigest.sha256)\n"
                return CommandResult(bytes: status() + Array(lines.utf8))
            case _ where script.contains("rm -f -- \(snapshotFolder)"):
                host.files = host.files.filter { !$0.key.hasPrefix("\(snapshotFolder)\(arguments[0]).") }
                host.operations = host.operations.filter { !$0.key.hasPrefix("\(arguments[1]).") }
                return CommandResult(text: "")
            case _ where script.contains("endpoint hashkv"): return CommandResult(bytes: hash)
            case _ where script.contains("tar $opts"): return CommandResult(bytes: archive)
            case _ where script.contains("K api-resources"):
                return CommandResult(
                    exitCode: 0,
                    output: CapturedBytes(archive),
                    errorOutput: CapturedBytes(Array("missing widgets.example.com the webhook failed\n".utf8))
                )
            case _ where script.contains("check haproxy haproxy -c"): return CommandResult(bytes: checks)
            default: return nil
            }
        }
    }
}

extension CommandResult {
    fileprivate init(bytes: [UInt8]) {
        self.init(exitCode: 0, output: CapturedBytes(bytes), errorOutput: CapturedBytes([]))
    }
}

/// Takes exactly the recorded snapshot for a sound one.
struct RecordedSnapshotChecker: SnapshotChecking {
    private static let recorded = Fixtures.bytes("run/snapshot.db").map { FileDigest(of: $0) }

    func check(path: String) throws(SnapshotFault) -> SnapshotFacts {
        guard let bytes = try? [UInt8](ControllerDisk.contents(of: path)), FileDigest(of: bytes) == Self.recorded else {
            throw SnapshotFault("is not the recorded snapshot")
        }
        return SnapshotFacts(revision: 1000, totalKeys: 9, liveKeys: 5, hash: 42, pageSize: 4096)
    }
}
