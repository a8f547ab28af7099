package import ClusterModel
package import RunEngine

/// All facts that a person may ask for by name, each for the hosts it applies to.
package struct FactReadings: Sendable {
    /// One fact of one host.
    package struct Reading: Sendable {
        package let host: HostName
        package let fact: String
        package let result: Result<JSONValue, FactFailure>
    }

    private struct Entry: Sendable {
        let name: String
        let applies: @Sendable (Host, Cluster) -> Bool
        let request: @Sendable (Host, Cluster) -> FactRequest
        let read: @Sendable (any FactReader, Host, Cluster) async throws -> JSONValue
    }

    private var entries: [Entry] = []

    package var names: [String] { entries.map(\.name) }

    private mutating func add<F: Fact>(
        _ make: @escaping @Sendable (Host, Cluster) -> F,
        where applies: @escaping @Sendable (Host, Cluster) -> Bool
    ) {
        entries.append(
            Entry(
                name: F.name,
                applies: applies,
                request: { FactRequest(make($0, $1), on: $0.name) },
                read: { try JSONValue(encoding: try await $0.read(make($1, $2), on: $1.name)) }
            )
        )
    }

    /// The facts that come with Rollbook.
    package static var shipped: FactReadings {
        var readings = FactReadings()
        readings.add({ _, _ in HostIdentity() }, where: { _, _ in true })
        readings.add(
            { EtcdStatus(pki: $1.paths.pki) },
            where: { host, cluster in cluster.etcdHosts.contains { $0.name == host.name } }
        )
        readings.add(
            { EtcdInstallation(paths: $1.paths) },
            where: { host, cluster in cluster.etcdHosts.contains { $0.name == host.name } }
        )
        readings.add(
            { _, _ in KubernetesPackages() },
            where: { host, _ in host.role == .master || host.role == .worker }
        )
        readings.add(
            { _, _ in KubernetesRepository() },
            where: { host, _ in host.role == .master || host.role == .worker }
        )
        readings.add(
            { KubeadmState(paths: $1.paths) },
            where: { host, _ in host.role == .master || host.role == .worker }
        )
        readings.add({ HAProxyServers($1.paths) }, where: { host, _ in host.role == .loadBalancer })
        readings.add({ CertificateAuthority(pki: $1.paths.pki) }, where: { host, _ in host.role == .master })
        readings.add(
            { host, cluster in
                let kind: CollectableFiles.Kind =
                    host.role == .loadBalancer ? .loadBalancer : host.role == .etcd ? .etcd : .controlPlane
                return CollectableFiles(kind: kind, paths: cluster.paths)
            },
            where: { host, _ in host.role != .worker }
        )
        return readings
    }

    /// Reads facts, all of a host in one round trip; the result is in the order of hosts and facts.
    package func read(
        of hosts: [Host],
        only: [String],
        from cache: FactCache,
        cluster: Cluster
    ) async throws -> [Reading] {
        let wanted = hosts.flatMap { host in
            entries.filter { $0.applies(host, cluster) && (only.isEmpty || only.contains($0.name)) }.map { (host, $0) }
        }
        await cache.prefetch(wanted.map { $1.request($0, cluster) })
        let reader = cache.reader(of: cluster)
        var readings: [Reading] = []
        for (host, entry) in wanted {
            do {
                let value = try await entry.read(reader, host, cluster)
                readings.append(Reading(host: host.name, fact: entry.name, result: .success(value)))
            } catch let failure as FactFailure {
                readings.append(Reading(host: host.name, fact: entry.name, result: .failure(failure)))
            }
        }
        return readings
    }
}
