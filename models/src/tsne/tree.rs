//! A quadtree over points in the order of their Morton codes, as one flat array in the order of a depth-first walk.

/// Bits of a coordinate: the depth of the deepest cells.
const BITS: u32 = 16;
/// The most points of a cell that is not divided.
const LEAF: usize = 8;
/// The most points that look at the tree together.
const GROUP: usize = 128;

/// A cell, the smallest that holds its points.
#[derive(Debug, Clone, Copy)]
pub struct Node {
    /// The points' centre.
    pub centre: [f32; 2],
    /// How many points.
    pub mass: f32,
    /// From this squared distance on it stands for its points: (width / θ)².
    pub reach: f32,
    /// Its points, in the tree's order.
    pub first: u32,
    /// One behind the last.
    pub last: u32,
    /// Where the walk goes on that does not enter it; one that is not divided is left for the next node in any case.
    pub skip: u32,
}

/// The tree over one set of points, rebuilt in place over the next.
#[derive(Debug, Default)]
pub struct Tree {
    keys: Vec<u64>,
    /// The nodes, each before what lies in it.
    pub nodes: Vec<Node>,
    /// The points in the order of their codes.
    pub points: Vec<[f32; 2]>,
    /// Where each group begins, and at the end the number of points. A group is a cell of at most [`GROUP`] points.
    pub groups: Vec<usize>,
    /// (width / θ)² of a cell by its depth.
    reaches: Vec<f32>,
}

impl Tree {
    /// Sorts the points into cells. The root is their bounding box, halved along both axes again and again; `theta` is
    /// the widest angle at which a cell stands for its points.
    pub fn rebuild(&mut self, points: &[[f32; 2]], theta: f64) {
        let (mut low, mut high) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
        for point in points {
            for axis in 0..2 {
                low[axis] = low[axis].min(point[axis]);
                high[axis] = high[axis].max(point[axis]);
            }
        }
        let extent = [0, 1].map(|axis| f64::from(high[axis]) - f64::from(low[axis]));
        // Below 1, so that the largest coordinate has the last code.
        let cells = f64::from(1u32 << BITS) * (1.0 - 1e-9);
        let scale = extent.map(|extent| if extent > 0.0 { cells / extent } else { 0.0 });
        let width = extent[0].max(extent[1]) / theta;
        self.reaches.clear();
        self.reaches.extend((0..=BITS as i32).map(|depth| (width / 2f64.powi(depth)).powi(2) as f32));

        self.keys.clear();
        self.keys.extend(points.iter().enumerate().map(|(at, point)| {
            let cell = |axis: usize| ((f64::from(point[axis]) - f64::from(low[axis])) * scale[axis]) as u16;
            u64::from(spread(cell(0)) | spread(cell(1)) << 1) << 32 | at as u64
        }));
        self.keys.sort_unstable();
        self.points.clear();
        self.points.extend(self.keys.iter().map(|&key| points[index(key)]));
        self.nodes.clear();
        self.groups.clear();
        self.divide(0, points.len(), false);
        self.groups.push(points.len());
    }

    /// The index, in the caller's order, of each point in the tree's.
    pub fn order(&self) -> impl Iterator<Item = usize> {
        self.keys.iter().map(|&key| index(key))
    }

    /// Appends the nodes of some points, and gives the sum of their coordinates.
    fn divide(&mut self, first: usize, last: usize, grouped: bool) -> [f64; 2] {
        let code = |i: usize| (self.keys[i] >> 32) as u32;
        let common = (code(first) ^ code(last - 1)).leading_zeros() / 2;
        let count = last - first;
        let starts_group = !grouped && (count <= GROUP || common >= BITS);
        if starts_group {
            self.groups.push(first);
        }
        let at = self.nodes.len();
        let (first32, last32) = (first as u32, last as u32);
        let reach = self.reaches[common as usize];
        self.nodes.push(Node { centre: [0.0; 2], mass: count as f32, reach, first: first32, last: last32, skip: 0 });
        let mut sum = [0.0; 2];
        if count <= LEAF {
            for [x, y] in &self.points[first..last] {
                sum = [sum[0] + f64::from(*x), sum[1] + f64::from(*y)];
            }
        } else if common >= BITS {
            // Too close to be told apart: one body, however near.
            self.nodes[at].reach = 0.0;
            for [x, y] in &self.points[first..last] {
                sum = [sum[0] + f64::from(*x), sum[1] + f64::from(*y)];
            }
        } else {
            let shift = 62 - 2 * common;
            let mut start = first;
            while start < last {
                let quarter = self.keys[start] >> shift & 3;
                let len = self.keys[start..last].partition_point(|&key| key >> shift & 3 == quarter);
                let part = self.divide(start, start + len, grouped || starts_group);
                sum = [sum[0] + part[0], sum[1] + part[1]];
                start += len;
            }
        }
        self.nodes[at].centre = sum.map(|sum| (sum / count as f64) as f32);
        self.nodes[at].skip = self.nodes.len() as u32;
        sum
    }
}

/// The index in a key.
fn index(key: u64) -> usize {
    key as u32 as usize
}

/// The bits of a number, each followed by a zero.
fn spread(x: u16) -> u32 {
    let mut x = u32::from(x);
    x = (x | x << 8) & 0x00ff_00ff;
    x = (x | x << 4) & 0x0f0f_0f0f;
    x = (x | x << 2) & 0x3333_3333;
    (x | x << 1) & 0x5555_5555
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_lies_in_one_leaf_and_one_group() {
        let philox = inkgrad_kernels::cpu::rng::Philox::new(1, 0);
        let mut points: Vec<[f32; 2]> =
            (0..700).map(|i| philox.normals(i)).map(|[x, y, ..]| [x as f32, y as f32]).collect();
        points.extend([[0.25, -0.5]; 40]);
        let mut tree = Tree::default();
        tree.rebuild(&points, 0.5);
        let mut order: Vec<usize> = tree.order().collect();
        assert!(order.iter().zip(&tree.points).all(|(&i, point)| points[i] == *point));
        order.sort_unstable();
        assert!(order.into_iter().eq(0..points.len()));

        let mut covered = 0;
        for (i, node) in tree.nodes.iter().enumerate() {
            if node.skip as usize == i + 1 {
                assert_eq!(node.first as usize, covered, "leaves stand in order");
                covered = node.last as usize;
            }
            let inside = &tree.points[node.first as usize..node.last as usize];
            assert_eq!(inside.len() as f32, node.mass);
            let mean = inside.iter().map(|p| f64::from(p[0])).sum::<f64>() / inside.len() as f64;
            assert!((mean - f64::from(node.centre[0])).abs() < 1e-6);
        }
        assert_eq!(covered, points.len());
        assert!(tree.groups.is_sorted() && tree.groups[0] == 0 && *tree.groups.last().unwrap() == points.len());
        assert!(tree.groups.windows(2).all(|group| group[1] - group[0] <= GROUP.max(40)));
    }
}
