extension PreflightFailure {
    private static let keepalived = "/etc/keepalived/keepalived.conf"
    private static let instance = "/etc/keepalived/conf.d/kubernetes-api.conf"
    private static let haproxy = "/etc/haproxy/conf.d/10-kubernetes-api.cfg"
    private static let reload = "or what it includes, then systemctl reload keepalived"

    /// Files only: what runs goes on with what it has read, as it would until somebody reloads it.
    static let ofLoadBalancers: [Self] = [
        Self(
            "a weight that leaves the VIP where it is",
            "load-balancer",
            on: ["lb1"],
            #"keep \#(keepalived); sed -i 's/^    interval 2/&\n    weight 2/' \#(keepalived)"#,
            finds: [
                "lb1 preflight.load-balancer BLOCKED: the VIP would not move: when chk_haproxy fails, lb1 goes from priority 112"
                    + " to 110, and lb2 has 100, which is not more Next: edit \(keepalived) \(reload)"
            ]
        ),
        Self(
            "another router id than its neighbour",
            "load-balancer",
            on: ["lb1", "lb2"],
            broken: ["lb1"],
            "keep \(instance); sed -i 's/virtual_router_id .*/virtual_router_id 99/' \(instance)",
            finds: [
                "lb1 preflight.load-balancer BLOCKED: keepalived's virtual_router_id differs from that of lb2 (99 on lb1, 51 on"
                    + " lb2): each would hold the VIP Next: edit \(keepalived) \(reload)",
                "lb2 preflight.load-balancer BLOCKED: keepalived's virtual_router_id differs from that of lb1 (51 on lb2, 99 on"
                    + " lb1): each would hold the VIP",
            ]
        ),
        Self(
            "a master that gets no connections",
            "load-balancer",
            on: ["lb1"],
            "keep \(haproxy); sed -i '/server master3/d' \(haproxy)",
            finds: [
                "lb1 preflight.load-balancer BLOCKED: master3 (10.77.0.13) is no server of haproxy's backend k8s-api-backend"
                    + " Next: edit the files of haproxy -c -f /etc/haproxy/haproxy.cfg -f /etc/haproxy/conf.d, then systemctl reload"
            ]
        ),
        Self(
            "a configuration that HAProxy refuses",
            "load-balancer",
            on: ["lb1"],
            "keep \(haproxy); echo nonsense >>\(haproxy)",
            finds: [
                "lb1 preflight.load-balancer BLOCKED: haproxy -c -f /etc/haproxy/haproxy.cfg -f /etc/haproxy/conf.d ends with 1:",
                "unknown keyword 'nonsense' in 'backend' section Next: haproxy -c -f /etc/haproxy/haproxy.cfg",
            ]
        ),
        Self(
            "HAProxy is stopped",
            "load-balancer",
            on: ["lb2"],
            "systemctl stop haproxy",
            undo: "systemctl start haproxy",
            finds: [
                "lb2 preflight.load-balancer BLOCKED: haproxy is ", " Next: systemctl enable --now haproxy",
            ]
        ),
        Self(
            "keepalived would not start at boot, which is a warning",
            "load-balancer",
            on: ["lb2"],
            "systemctl -q disable keepalived",
            undo: "systemctl -q enable keepalived",
            finds: [
                "lb2 preflight.load-balancer WARNING: keepalived would not start at the next boot: systemctl enable keepalived"
            ],
            code: 0
        ),
    ]
}
