package import ClusterModel

/// Whom a host of a cluster must be able to dial, and what for.
///
/// | from | to | port |
/// |---|---|---|
/// | masters | other masters | 10250; with stacked etcd 2379 and 2380 |
/// | masters | etcd hosts | 2379 |
/// | masters | workers | 10250 |
/// | masters, workers | where the API is | the API's port |
/// | etcd hosts | other etcd hosts | 2380 |
/// | load balancers | masters | 6443 |
///
/// The API is at the VIP, else at every load balancer, else at every master. Workers are not dialled by workers, so the number
/// of dials grows with the number of workers, not with its square: 100 workers and 3 masters make 400 of them.
/// Sources: kubernetes.io "Ports and Protocols"; etcd.io "Clustering Guide".
package struct DialPlan: Sendable, Hashable {
    package struct Dial: Sendable, Hashable {
        /// nil for the VIP, which is on whichever host holds it.
        package let host: HostName?
        package let address: String
        package let port: Int
        package let purpose: String
    }

    package let dials: [Dial]

    package init(of host: Host, in cluster: Cluster) {
        func dial(_ hosts: [Host], _ port: Int, _ purpose: String) -> [Dial] {
            hosts.filter { $0.name != host.name }.map {
                Dial(host: $0.name, address: $0.clusterAddress, port: port, purpose: purpose)
            }
        }
        let masters = cluster.hosts(in: .master)
        let balancers = cluster.hosts(in: .loadBalancer)
        let api =
            if let vip = cluster.vip {
                [Dial(host: nil, address: vip, port: cluster.apiPort, purpose: "API")]
            } else if balancers.isEmpty {
                dial(masters, 6443, "API")
            } else {
                dial(balancers, cluster.apiPort, "API")
            }
        let kubelets = dial(masters, 10250, "kubelet") + dial(cluster.hosts(in: .worker), 10250, "kubelet")
        switch host.role {
        case .master where cluster.topology == .stacked:
            dials = dial(masters, 2379, "etcd clients") + dial(masters, 2380, "etcd peers") + api + kubelets
        case .master: dials = dial(cluster.etcdHosts, 2379, "etcd clients") + api + kubelets
        case .worker: dials = api
        case .etcd: dials = dial(cluster.etcdHosts, 2380, "etcd peers")
        case .loadBalancer: dials = dial(masters, 6443, "API server")
        }
    }
}
