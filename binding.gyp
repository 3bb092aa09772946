# Not a gyp build: one action that runs CMake (scripts/build-native.cjs), so that `node-gyp rebuild` and
# node-gyp-build's install fallback both end in build/Release/node_diffusion.node.
{
  'targets': [{
    'target_name': 'node_diffusion',
    'type': 'none',
    'actions': [{
      'action_name': 'cmake',
      'message': 'Building node_diffusion.node with CMake',
      'inputs': [ 'CMakeLists.txt' ],
      'outputs': [ '<(PRODUCT_DIR)/node_diffusion.node' ],
      'action': [ 'node', 'scripts/build-native.cjs' ]
    }]
  }]
}
