package import ClusterModel
package import RunEngine

/// What one host showed when the cluster's health was looked at.
package struct HostObservation: Sendable, Hashable {
    package let host: Host
    /// Why the host could not be asked at all, or nil.
    package var failure: OperatorMessage?
    package var etcd: EtcdStatus.Value?
    package var api: APIServerReadiness.Value?
    package var addresses: HostAddresses.Value?
    package var balancer: LoadBalancerState.Value?
    /// Facts that could not be made out on a host that answers.
    package var unclear: [String] = []

    package init(host: Host) { self.host = host }

    /// All that is looked at, for reading ahead.
    package static func facts(in cluster: Cluster) -> [FactRequest] {
        cluster.hosts.flatMap { host in
            var wanted = [FactRequest(HostIdentity(), on: host.name)]
            if runsEtcd(host, in: cluster) {
                wanted.append(FactRequest(EtcdStatus(pki: cluster.paths.pki), on: host.name))
            }
            if host.role == .master {
                wanted.append(FactRequest(APIServerReadiness(of: host, in: cluster), on: host.name))
            }
            if cluster.vip != nil { wanted.append(FactRequest(HostAddresses(cluster.paths), on: host.name)) }
            if host.role == .loadBalancer {
                wanted.append(FactRequest(LoadBalancerState(cluster.paths), on: host.name))
            }
            return wanted
        }
    }

    static func runsEtcd(_ host: Host, in cluster: Cluster) -> Bool {
        cluster.etcdHosts.contains { $0.name == host.name }
    }

    /// Looks at a host.
    ///
    /// A fact that cannot be read never throws: it becomes part of what is observed.
    package init(of host: Host, _ facts: any FactReader) async {
        self.init(host: host)
        let cluster = facts.cluster
        do { _ = try await facts.read(HostIdentity(), on: host.name) } catch {
            failure = error.message
            return
        }
        if Self.runsEtcd(host, in: cluster) {
            do { etcd = try await facts.read(EtcdStatus(pki: cluster.paths.pki), on: host.name) } catch {
                etcd = EtcdStatus.Value()
                etcd?.problem = error.message.event
            }
        }
        if host.role == .master { api = await read(APIServerReadiness(of: host, in: cluster), facts) }
        if cluster.vip != nil { addresses = await read(HostAddresses(cluster.paths), facts) }
        if host.role == .loadBalancer { balancer = await read(LoadBalancerState(cluster.paths), facts) }
    }

    private mutating func read<F: Fact>(_ fact: F, _ facts: any FactReader) async -> F.Value? {
        do { return try await facts.read(fact, on: host.name) } catch {
            unclear.append("\(F.name): \(error.message.event)")
            return nil
        }
    }
}
