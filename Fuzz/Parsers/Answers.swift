import ClusterModel
import ClusterSteps
import Manifests
import RemoteShell
import RunEngine

private let nonce = String(repeating: "0123456789abcdef", count: 2)

/// How a stream is cut into packets, which its first byte says here, changes nothing of what is read from it.
func feedFrame(_ bytes: [UInt8]) {
    let stream = bytes.dropFirst()
    let whole = read(stream, inPiecesOf: max(1, stream.count))
    precondition(read(stream, inPiecesOf: Int(bytes.first ?? 0) + 1) == whole)
}

private struct FrameReading: Equatable {
    var output: [UInt8] = []
    var ending: FrameScanner.Ending
}

private func read(_ stream: ArraySlice<UInt8>, inPiecesOf size: Int) -> FrameReading {
    var scanner = FrameScanner(nonce: nonce)
    var output: [UInt8] = []
    var rest = stream
    while !rest.isEmpty {
        let piece = Array(rest.prefix(size))
        scanner.scan(unsafe piece.span.bytes) { span in unsafe span.withUnsafeBytes { unsafe output += $0 } }
        rest = rest.dropFirst(size)
    }
    let ending = scanner.ending
    // How much is held back differs; output and what is still held belong together.
    switch ending {
    case .ended(let code, let held):
        return FrameReading(output: output + held, ending: .ended(exitCode: code, rest: []))
    case .neverBegan: return FrameReading(output: output, ending: ending)
    case .unfinished(let held): return FrameReading(output: output + held, ending: .unfinished(rest: []))
    }
}

func feedProbes(_ bytes: [UInt8]) {
    let batch = ProbeBatch(Array(repeating: RemoteCommand("true"), count: 4), nonce: nonce)
    let answers = batch.answers(output: bytes, errorOutput: bytes)
    precondition(answers.count == 4)
    precondition(answers.reduce(0) { $0 + ($1?.output.count ?? 0) } <= bytes.count)
}

func feedOperation(_ bytes: [UInt8]) {
    if case .done(_, let output, let errorOutput) = OperationRecord.state(from: bytes) {
        precondition(output.count + errorOutput.count <= bytes.count)
    }
    let text = String(decoding: bytes, as: UTF8.self)
    _ = HostFence.claim(from: text)
    _ = HostFence.survey(from: text)
}

/// The first line names a fact and an exit code, the rest is what the host printed.
func feedFact(_ bytes: [UInt8]) {
    let head = bytes.prefix { $0 != 0x0A }
    let words = String(decoding: head, as: UTF8.self).split(separator: " ")
    guard words.count == 2, let fact = facts[String(words[0])], let code = Int(words[1]) else { return }
    parse(fact, ProbeBatch.Answer(exitCode: code, output: Array(bytes[head.endIndex...].dropFirst())))
}

func feedEtcdctl(_ bytes: [UInt8]) {
    parse(EtcdStatus(pki: "/etc/kubernetes/pki"), ProbeBatch.Answer(exitCode: 0, output: bytes))
    let text = String(decoding: bytes, as: UTF8.self)
    _ = try? HashKVJSON.list(text)
    _ = try? KeyCount(text)
}

/// What a plan binds is an encodable value, and what is said of an unusable answer is a text.
private func parse(_ fact: some Fact, _ answer: ProbeBatch.Answer) {
    do {
        let value = try fact.parse(answer)
        do { _ = try fact.bound(value) } catch { preconditionFailure("no bound value: \(error)") }
    } catch {
        precondition(!"\(error)".isEmpty)
    }
}

private let cluster: Cluster? = {
    let text = """
        format: 1
        cluster: {id: lab, topology: stacked, vip: 10.77.0.100}
        masters: [{name: m1, address: 10.77.0.11}, {name: m2, address: 10.77.0.12}, {name: m3, address: 10.77.0.13}]
        loadBalancers: [{name: lb1, address: 10.77.0.21}]

        """
    return try? InventoryLoader.load(Array(text.utf8), path: "inventory.yaml", context: context).cluster
}()

/// Every fact that is asked of a host, by its name.
private let facts: [String: any Fact] = {
    guard let cluster, let host = cluster.hosts.first else { preconditionFailure("the sample inventory is wrong") }
    let paths = cluster.paths
    let all: [any Fact] = [
        APIServerReadiness(of: host, in: cluster), CertificateAuthority(pki: paths.pki),
        CollectableFiles(kind: .controlPlane, paths: paths), ContainerRuntime(), ControlPlanePods(paths: paths),
        DialledPorts(DialPlan(of: host, in: cluster)), DiskSpace(paths: paths), EtcdDiskLatency(),
        EtcdInstallation(paths: paths), EtcdStatus(pki: paths.pki), HardwareSize(), HostAddresses(paths),
        HostCertificates(paths: paths, address: host.clusterAddress), HostClock(), HostIdentity(), HostSecurity(),
        InstalledVersions(paths), KernelModules(), LoadBalancerState(paths), MachineIdentity(),
        NameResolution(paths: paths), OperatingSystem(), PackageSources(), PackageState(), PortListeners(),
        RootAccess(),
        SwapState(), SysctlState(keys: ["net.ipv4.ip_forward"]),
    ]
    return Dictionary(uniqueKeysWithValues: all.map { (type(of: $0).name, $0) })
}()
