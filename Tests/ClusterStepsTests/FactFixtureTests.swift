import ClusterModel
import Foundation
import RemoteShell
import RunEngine
import TestSupport
import Testing

@testable import ClusterSteps

/// The folder of cases; see its README.
enum Fixtures {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures")

    /// What preflight asks a host of a cluster; a new fact is one line here.
    static func facts(about host: ClusterModel.Host, in cluster: Cluster) -> [any Fact] {
        [
            DialledPorts(DialPlan(of: host, in: cluster)), HostAddresses(cluster.paths),
            LoadBalancerState(cluster.paths), HAProxyServers(cluster.paths), PortListeners(),
            DiskSpace(paths: cluster.paths), HardwareSize(), HostSecurity(), KernelModules(), OperatingSystem(),
            PackageState(), RootAccess(), SwapState(), SysctlState(keys: CheckSysctl.wanted.keys.sorted()),
            MachineIdentity(),
            HostClock(),
            HostCertificates(paths: cluster.paths, address: host.clusterAddress),
            NameResolution(paths: cluster.paths),
            InstalledVersions(cluster.paths), ContainerRuntime(), EtcdDiskLatency(),
            PackageSources(), APIServerReadiness(of: host, in: cluster), ControlPlanePods(paths: cluster.paths),
            KubernetesPackages(), KubernetesRepository(for: KubernetesVersion("1.32.13")),
            KubeadmState(paths: cluster.paths), KubernetesClient(cluster.paths), AvailabilityProbe(cluster),
            ControlPlaneState(of: host, in: cluster), ServiceState("kubelet"),
        ] + kubernetes(through: host, in: cluster)
    }

    /// What a master tells of the whole cluster through its own API server.
    static func kubernetes(through master: ClusterModel.Host, in cluster: Cluster) -> [any Fact] {
        let api = KubernetesAPI(on: master, in: cluster)
        return [
            ClusterConfiguration(api), ClusterNodes(api), ClusterPods(api), ClusterWebhooks(api), ClusterWorkloads(api),
            StaticPods(api),
        ]
    }

    static func fact(_ name: String, about host: String, in cluster: Cluster) -> (any Fact)? {
        guard let host = cluster.hosts.first(where: { $0.name.text == host }) else { return nil }
        return facts(about: host, in: cluster).first { type(of: $0).name == name }
    }

    /// What a host in order answers: `planned/<fact>/` for the first host of its role, for its role, or for any, and else
    /// the fact's recorded case of a worker; what Kubernetes tells is made of the inventory.
    static func planned(_ fact: String, about host: ClusterModel.Host, in cluster: Cluster) -> ProbeBatch.Answer {
        let kubernetes = SimulatedKubernetes(cluster, time: TestTime())
        if let told = kubernetes.planned(fact, about: host.name.text) {
            return ProbeBatch.Answer(exitCode: 0, output: Array(told.utf8))
        }
        let isFirst = cluster.hosts(in: host.role).first?.name == host.name
        let names = (isFirst ? ["\(host.role.rawValue)-first"] : []) + [host.role.rawValue, "any"]
        guard let bytes = names.lazy.compactMap({ bytes("planned/\(fact)/\($0)") }).first else {
            return answer(fact, "debian-12-worker")
        }
        let text = String(decoding: bytes, as: UTF8.self)
            .replacing("{host}", with: host.name.text)
            .replacing("{address}", with: host.clusterAddress)
            .replacing("{vip}", with: cluster.vip ?? "10.77.0.100")
            .replacing("{dialled}", with: DialPlan(of: host, in: cluster).everythingOpen)
            .replacing("{hex}", with: hex(of: host))
            .replacing("{servers}", with: servers(of: cluster))
            .replacing("{counters}", with: counters(of: cluster))
        return ProbeBatch.Answer(exitCode: 0, output: Array(text.utf8))
    }

    /// The masters as HAProxy's servers, all of them in service.
    private static func servers(of cluster: Cluster) -> String {
        cluster.hosts(in: .master).enumerated()
            .map { "3 api \($0 + 1) \($1.name) \($1.clusterAddress) 2 0 \(cluster.apiPort)" }
            .joined(separator: "\n")
    }

    private static func counters(of cluster: Cluster) -> String {
        cluster.hosts(in: .master).map { "api,\($0.name),3,UP" }.joined(separator: "\n")
    }

    /// 32 hexadecimal digits that are a host's own.
    private static func hex(of host: ClusterModel.Host) -> String {
        let digits = host.name.text.utf8.map { String($0, radix: 16) }.joined()
        return String((digits + String(repeating: "0", count: 32)).prefix(32))
    }

    static func names(in path: String) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.appending(path: path).path)) ?? []
        return names.sorted()
    }

    static func bytes(_ path: String) -> [UInt8]? {
        (try? Data(contentsOf: folder.appending(path: path))).map { [UInt8]($0) }
    }

    /// What a fact's command printed in a case.
    static func answer(_ fact: String, _ name: String) -> ProbeBatch.Answer {
        let path = "facts/\(fact)/\(name)"
        let code = bytes("\(path)/exit").map { String(decoding: $0, as: UTF8.self) } ?? "0"
        return ProbeBatch.Answer(
            exitCode: Int(code.trimmingCharacters(in: .whitespacesAndNewlines)) ?? -1,
            output: bytes("\(path)/stdout") ?? [],
            errorOutput: bytes("\(path)/stderr") ?? []
        )
    }

    /// JSON for people: sorted and indented.
    static func json(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        return Array(try encoder.encode(value)) + Array("\n".utf8)
    }
}

extension DialPlan {
    /// What a host prints when every connection is made.
    fileprivate var everythingOpen: String { dials.map { "\($0.address) \($0.port) 0 " }.joined(separator: "\n") }
}

@Suite("Facts from recorded outputs")
struct FactFixtureTests {
    static let cases = Fixtures.names(in: "facts").flatMap { fact in
        Fixtures.names(in: "facts/\(fact)").map { (fact, $0) }
    }

    @Test("the folder has its cases")
    func folderIsFound() { #expect(Self.cases.count >= 30) }

    @Test("a recorded output gives exactly the expected value", arguments: cases)
    func matches(fact: String, name: String) throws {
        let answer = Fixtures.answer(fact, name)
        let value: [UInt8]
        switch fact {
        case EtcdStatus.name: value = try read(EtcdStatus(pki: "/pki"), answer)
        case EtcdInstallation.name: value = try read(EtcdInstallation(paths: ClusterPaths()), answer)
        case CertificateAuthority.name: value = try read(CertificateAuthority(pki: "/pki"), answer)
        case CollectableFiles.name:
            value = try read(CollectableFiles(kind: .controlPlane, paths: ClusterPaths()), answer)
        case HostIdentity.name: value = try read(HostIdentity(), answer)
        default:
            guard let known = Fixtures.fact(fact, about: "master1", in: .sample()) else {
                throw UnknownFact(name: fact)
            }
            value = try read(known, answer)
        }
        let file = GoldenFile(Fixtures.folder.appending(path: "facts/\(fact)/\(name)/expected.json"))
        let difference = try file.difference(from: value)
        #expect(difference == nil)
    }

    private struct UnknownFact: Error { let name: String }

    private struct Reading<Value: Encodable>: Encodable {
        let value: Value
        /// What a plan relies on.
        let bound: JSONValue?
    }

    private func read<F: Fact>(_ fact: F, _ answer: ProbeBatch.Answer) throws -> [UInt8] {
        do {
            let value = try fact.parse(answer)
            return try Fixtures.json(Reading(value: value, bound: try fact.bound(value)))
        } catch let message as OperatorMessage {
            return try Fixtures.json(["error": message.event])
        } catch let error as IncompleteAnswer {
            return try Fixtures.json(["error": error.description])
        }
    }

    @Test("a member's revision, size and leader may change without making a plan stale")
    func boundStays() throws {
        let fact = EtcdStatus(pki: "/pki")
        var value = try fact.parse(Fixtures.answer(EtcdStatus.name, "healthy-leader"))
        let before = try fact.bound(value)
        value.revision += 100
        value.leader = 1
        value.databaseBytes *= 2
        value.raftTerm += 1
        #expect(try fact.bound(value) == before)
        value.memberID = 5
        #expect(try fact.bound(value) != before)
    }

    @Test("output cut anywhere is a problem or an error, never another healthy member")
    func cut() throws {
        let fact = EtcdStatus(pki: "/pki")
        let whole = Fixtures.answer(EtcdStatus.name, "healthy-leader")
        let value = try fact.parse(whole)
        for length in stride(from: 0, to: whole.output.count, by: 7) {
            let part = ProbeBatch.Answer(exitCode: 0, output: Array(whole.output.prefix(length)))
            guard let read = try? fact.parse(part), read.answers else { continue }
            #expect(read.memberID == value.memberID && read.leader == value.leader && read.revision == value.revision)
        }
    }
}
